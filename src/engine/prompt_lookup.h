// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/drafter.h"
#include "lazyllm/model.h"
#include "lazyllm/options.h"

namespace lazyllm::engine {

/// Prompt lookup decoding: what stood in the conversation behind the words that the answer ends
/// with is proposed to come next. It follows the longest match (of two tokens at least, the latest
/// of equals) as long as that is right, and learns from every token, proposed to the model or not,
/// how often matches of a length are right. A plain value; not thread-safe.
class PromptLookup : public Drafter {
 public:
  /// Most tokens of a draft, from 1. Errors: Error(usage).
  explicit PromptLookup(int64_t most);

  void follow(std::span<const TokenId> conversation, TokenId token) override;
  std::span<const TokenId> propose(int64_t room, const StepCost& cost,
                                   int64_t rows_beside) override;

 private:
  /// How often the token behind a match of such a length was right, of late.
  struct Accuracy {
    double right = 0.0, tried = 1.0;
    void note(bool is_right);
    double rate() const { return right / tried; }
  };
  static constexpr int kLongest = 16;  ///< lengths beyond count as this

  void add(TokenId token);
  void index_last_pair();
  void find_match();
  int64_t match_length(int64_t end) const;
  double accuracy(int64_t length) const;
  int64_t best_length(int64_t most, const StepCost& cost, int64_t rows_beside) const;
  uint64_t pair_at(int64_t end) const;

  int64_t most_;
  std::vector<TokenId> text_;
  std::unordered_map<uint64_t, int32_t> last_;  // pair -> end of its latest occurrence
  std::vector<int32_t> earlier_;                // [text_]: the pair's occurrence before; -1: none
  int64_t source_ = -1;                         // of text_, what is expected next; -1: nothing
  int64_t length_ = 0;                          // tokens before it that match
  std::array<Accuracy, kLongest + 1> accuracy_{};
  std::vector<TokenId> draft_;
};

}  // namespace lazyllm::engine
