// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "lazy/policy.h"
#include "lazy/step_part.h"
#include "lazyllm/scheduler.h"

namespace lazyllm::engine {

/// Prunes nothing and sums up what the last tokens of a prompt look at (AttentionQuestion). For
/// one step over the whole prompt; `part` is the one that makes it.
class AttentionReader final : public lazy::Policy {
 public:
  /// Errors: Error(usage).
  AttentionReader(const AttentionQuestion& question, int64_t prompt_tokens,
                  const model::Hyperparameters& h, const lazy::StepPart& part);

  std::string_view name() const override { return "attention"; }
  bool observes(int layer, lazy::StepKind) const override { return weights_.contains(layer); }
  std::span<const float> head_weights(int layer) const override { return weights_.at(layer); }
  const lazy::ImportanceScore& score() const override { return score_; }
  void combine(int layer, std::span<const int32_t> set, std::span<float> scores) override;

  int last_layer() const { return weights_.rbegin()->first; }
  /// Of its memory, about.
  uint64_t bytes() const;
  /// Errors: Error(invalid_file) if the model computed what is no number.
  std::vector<HeadAttention> take();

 private:
  void check(const AttentionQuestion& question, int64_t prompt_tokens,
             const model::Hyperparameters& h) const;
  void add(int layer, std::span<const float> weights, HeadAttention& to);

  const lazy::StepPart& part_;
  std::vector<TokenRange> parts_, queries_;
  bool by_head_;
  int64_t q_size_;
  lazy::ImportanceScore score_;
  std::map<int, std::vector<float>> weights_;  // by layer: [heads], one in all layers together
  std::vector<HeadAttention> result_;
  std::vector<float> seen_;  // [set]
};

}  // namespace lazyllm::engine
