// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lazy/kv_cache.h"
#include "lazy/sequence.h"
#include "model/transformer.h"

namespace lazyllm::lazy {

/// What the layers behind a pruning layer would look at, found out before they are computed: the
/// last token alone runs ahead through them, over keys and values made from the hidden states that
/// all other tokens have now. These are stale by some layers, yet tell far more of what the later
/// layers want than the attention of the pruning layer does. It costs the k and v projections of
/// the layers that are looked at, and one row of everything else.
/// Keeps its memory from step to step; one per session, called by one thread.
class Lookahead {
 public:
  explicit Lookahead(const model::Transformer& transformer);

  /// scores[i] = attention probability of set[i] for the last token of `set`, mean over heads and
  /// over the full-attention layers among the `layers` from `from` on (0-based; the depth that
  /// every token of the set has, with its hidden row there); at most to the last layer with keys
  /// and values of its own.
  void score(const Sequence& sequence, std::span<const int32_t> set, int from, int layers,
             std::span<float> scores);

 private:
  model::Workspace& workspace(int layer) {
    return workspaces_[static_cast<size_t>(transformer_.stage_of(layer))];
  }
  const kernels::Backend& backend(int layer) const { return transformer_.at(layer).backend(); }
  kernels::FloatRows last_row(int stage);
  void load(int depth, std::span<const float* const> rows, int layer, kernels::FloatRows tile);
  void fit_cache(int layer, const kernels::KvLayout& layout, size_t tokens);
  size_t first_seen(std::span<const int32_t> set, int layer) const;
  void store_keys_and_values(const Sequence& sequence, std::span<const int32_t> set, int from,
                             int layer);
  void convolve(std::span<const int32_t> set, int layer);
  void pass_layer(const Sequence& sequence, std::span<const int32_t> set, int layer,
                  std::span<float> scores, bool goes_on);

  const model::Transformer& transformer_;
  const model::Hyperparameters& h_;
  std::vector<model::Workspace> workspaces_;  // [stages]
  std::optional<KvCache> cache_;  // of the layer in work, token numbers are places in the set
  int cache_stage_ = 0;
  std::vector<kernels::Buffer> last_row_;  // [stages] hidden state of the token that runs ahead
  std::vector<int32_t> slots_;             // by place in the set
  std::vector<int32_t> input_slots_;
  std::vector<const float*> rows_;
  std::vector<float> layer_scores_;
};

}  // namespace lazyllm::lazy
