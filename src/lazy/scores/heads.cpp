// SPDX-License-Identifier: Apache-2.0
// Only the heads that a calibration found to look at what later layers need, of the pruning
// layer and of those before it. Most heads of a layer stare at the first token or at their
// neighbours and say nothing about importance.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class HeadsScore final : public LayerScores {
 public:
  HeadsScore(const ImportanceScore& score, std::span<const int> pruning_layers, int heads)
      : nothing_(static_cast<size_t>(heads), 0.0f) {
    for (const HeadWeight& h : score.heads) {
      if (h.head > heads) {
        fail(ErrorCode::usage, "--score heads: layer {} has heads 1 to {}, there is no head {}",
             h.layer, heads, h.head);
      }
      if (h.layer > pruning_layers.back()) continue;  // looks too late to be of use
      auto& weights = weights_.try_emplace(h.layer, nothing_).first->second;
      weights[static_cast<size_t>(h.head) - 1] = h.weight;
    }
    if (weights_.empty() || weights_.begin()->first > pruning_layers.front()) {
      fail(ErrorCode::usage,
           "--score heads: after layer {} tokens are pruned, but no chosen head lies in that layer "
           "or before it",
           pruning_layers.front());
    }
  }

  bool reads(int layer) const override { return weights_.contains(layer); }

  std::span<const float> head_weights(int layer) const override {
    const auto found = weights_.find(layer);
    return found == weights_.end() ? nothing_ : found->second;
  }

  void combine(int layer, std::span<const int32_t> set, std::span<float> scores) override {
    const auto tokens = static_cast<size_t>(set.back()) + 1;
    if (layer <= last_layer_) std::fill(sums_.begin(), sums_.end(), 0.0f);  // a new step
    last_layer_ = layer;
    if (sums_.size() < tokens) sums_.resize(tokens, 0.0f);
    for (size_t i = 0; i < set.size(); ++i) {
      float& sum = sums_[static_cast<size_t>(set[i])];
      sum += scores[i];
      scores[i] = sum;
    }
  }

 private:
  std::map<int, std::vector<float>> weights_;  // by layer: [heads]
  std::vector<float> nothing_;                 // [heads] zeros: a pruning layer without such heads
  std::vector<float> sums_;                    // by token, over the layers so far
  int last_layer_ = 0;
};

}  // namespace

std::unique_ptr<LayerScores> make_heads_score(const ImportanceScore& score,
                                              std::span<const int> pruning_layers, int heads) {
  return std::make_unique<HeadsScore>(score, pruning_layers, heads);
}

}  // namespace lazyllm::lazy
