// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "lazy/policy.h"
#include "lazy/sequence.h"
#include "lazy/step_part.h"
#include "lazyllm/model.h"

namespace lazyllm::engine {

/// A decode step for the next token of an answer and for tokens that are drafted behind it. Each
/// row has the bits of a step of its own: where a written token selects, the tokens are a chain of
/// parts with a set each, else rows of one part.
///
///   begin() -> the parts' step -> end() -> take() { take() while the answer goes on as drafted }
///     -> take_back()
///
/// One thread at a time.
class VerifyingStep {
 public:
  using MakePolicy = std::function<std::unique_ptr<lazy::Policy>()>;

  explicit VerifyingStep(const model::Transformer& transformer) : transformer_(transformer) {}

  /// Whether drafted tokens can be taken back under this policy.
  static bool can_draft(const lazy::Policy& policy, int layers);

  /// Whether a written token selects, so that each drafted one is a part of its own.
  static bool is_chain(const lazy::Policy& policy, int layers);

  /// `request`: of a decode step; its new tokens and logits are set here. `make_policy`: a further
  /// one like `policy`, since each part scores alone.
  void begin(lazy::Sequence& sequence, lazy::Policy& policy, const MakePolicy& make_policy,
             lazy::StepRequest request, TokenId token, std::span<const TokenId> drafted);
  /// The policies are of another prompt from here on.
  void forget_policies() { policies_.clear(); }
  std::span<lazy::StepPart* const> parts() const { return parts_; }
  /// After the step. Errors: what one of the parts failed with; then all is taken back.
  void end();

  /// Whether the next row was computed for this token.
  bool next_is(TokenId token) const { return taken_ < rows() && tokens_[taken_] == token; }
  struct Row {
    std::span<const float> logits;
    int64_t revived = 0;
  };
  /// The next row; what it was computed for belongs to the sequence now.
  Row take();
  /// How deep the token stands behind the rows that were taken.
  int depth(const lazy::Sequence& sequence, int64_t token) const;
  /// Tokens that were computed and not taken.
  int64_t ahead() const { return static_cast<int64_t>(rows() - taken_); }
  /// The sequence as if the rows that were not taken had never been made.
  void take_back();

 private:
  size_t rows() const { return tokens_.size(); }
  void note_depths();

  const model::Transformer& transformer_;
  lazy::Sequence* sequence_ = nullptr;
  int64_t begin_ = 0;  // tokens of the sequence before the step
  std::vector<TokenId> tokens_;
  size_t taken_ = 0;
  std::vector<float> logits_;  // [rows][vocabulary]
  std::vector<int32_t> positions_;
  std::vector<std::unique_ptr<lazy::StepPart>> owned_;
  std::vector<std::unique_ptr<lazy::Policy>> policies_;  // of the parts behind the first
  std::vector<lazy::StepPart*> parts_;
  std::unordered_map<int32_t, int> depths_;  // where what rows ahead revived stood before
};

}  // namespace lazyllm::engine
