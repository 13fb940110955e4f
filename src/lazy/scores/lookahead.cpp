// SPDX-License-Identifier: Apache-2.0
#include "lazy/scores/lookahead.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::lazy {

using kernels::ConstFloatRows;
using kernels::FloatRows;

namespace {

/// Rows projected at a time: the stepper's figure for quantised weights.
constexpr size_t kLookaheadRows = 512;

}  // namespace

Lookahead::Lookahead(const model::Transformer& transformer)
    : transformer_(transformer),
      h_(transformer.hyperparameters()),
      last_row_(static_cast<size_t>(transformer.stages())) {
  for (int stage = 0; stage < transformer.stages(); ++stage) {
    workspaces_.emplace_back(h_, transformer.stage(stage).backend());
  }
}

FloatRows Lookahead::last_row(int stage) {
  kernels::Buffer& row = last_row_[static_cast<size_t>(stage)];
  if (!row) {
    row = transformer_.stage(stage).backend().allocate(static_cast<size_t>(h_.hidden_size) *
                                                       sizeof(float));
  }
  return {row.floats(), 1, h_.hidden_size, h_.hidden_size};
}

/// Rows that wait at `depth` into a tile where `layer` is computed.
void Lookahead::load(int depth, std::span<const float* const> rows, int layer, FloatRows tile) {
  if (transformer_.stage_at_depth(depth) == transformer_.stage_of(layer)) {
    backend(layer).gather(rows, tile);
  } else {
    backend(layer).gather_from(backend(depth - 1), rows, tile);
  }
}

void Lookahead::score(const Sequence& sequence, std::span<const int32_t> set, int from, int layers,
                      std::span<float> scores) {
  LAZYLLM_CHECK(std::all_of(set.begin(), set.end(),
                            [&](int32_t token) { return sequence.depth(token) == from; }));
  const float* const source[] = {sequence.hidden(from).row(set.back())};
  std::fill(scores.begin(), scores.end(), 0.0f);
  const int end = std::min(h_.kv_layers(), from + layers);
  int taken = 0;
  for (int layer = from; layer < end; ++layer) {
    const int stage = transformer_.stage_of(layer);
    workspace(layer).rope().reserve(sequence.size());
    workspace(layer).reserve(static_cast<int64_t>(std::min(kLookaheadRows, set.size())));
    if (layer == from) {
      load(from, source, layer, last_row(stage));
    } else if (transformer_.stage_of(layer - 1) != stage) {
      const float* const before[] = {last_row(transformer_.stage_of(layer - 1)).data};
      load(layer, before, layer, last_row(stage));
    }
    fit_cache(layer, sequence.kv(layer).view().layout, set.size());
    store_keys_and_values(sequence, set, from, layer);
    taken += h_.full_attention(layer) ? 1 : 0;
    pass_layer(sequence, set, layer, scores, /*goes_on=*/layer + 1 < end);
  }
  if (taken == 0) return;
  for (float& score : scores) score /= static_cast<float>(taken);
}

/// Makes the cache one of this layout with a slot for each token of the set.
void Lookahead::fit_cache(int layer, const kernels::KvLayout& layout, size_t tokens) {
  const int stage = transformer_.stage_of(layer);
  if (!cache_ || cache_->view().layout != layout || cache_stage_ != stage) {
    cache_.emplace(backend(layer), layout);
    cache_stage_ = stage;
  }
  slots_.clear();
  for (size_t place = 0; place < tokens; ++place) {
    slots_.push_back(cache_->acquire(static_cast<int64_t>(place)));
  }
}

/// Places of the set that the last token sees in a layer: all, or those in its sliding window.
size_t Lookahead::first_seen(std::span<const int32_t> set, int layer) const {
  const model::LayerParameters& kind = h_.layer[static_cast<size_t>(layer)];
  const int window = kind.convolution > 0 ? kind.convolution : kind.sliding_window;
  if (window == 0) return 0;
  const auto first = std::lower_bound(set.begin(), set.end(), set.back() - window + 1);
  return static_cast<size_t>(first - set.begin());
}

void Lookahead::store_keys_and_values(const Sequence& sequence, std::span<const int32_t> set,
                                      int from, int layer) {
  model::Workspace& workspace = this->workspace(layer);
  const size_t others = set.size() - 1;
  for (size_t begin = first_seen(set, layer); begin < others; begin += kLookaheadRows) {
    const size_t count = std::min(kLookaheadRows, others - begin);
    const std::span<const int32_t> tile = set.subspan(begin, count);
    const auto rows = static_cast<int64_t>(count);
    rows_.clear();
    for (const int32_t token : tile) rows_.push_back(sequence.hidden(from).row(token));
    load(from, rows_, layer, workspace.hidden(rows));
    transformer_.at(layer).project(layer, workspace.hidden(rows), tile, /*want_queries=*/false,
                                   workspace);
    backend(layer).append_kv(cache_->view(), std::span(slots_).subspan(begin, count),
                             workspace.k(layer, rows), workspace.v(layer, rows));
  }
}

void Lookahead::pass_layer(const Sequence& sequence, std::span<const int32_t> set, int layer,
                           std::span<float> scores, bool goes_on) {
  model::Workspace& workspace = this->workspace(layer);
  const FloatRows row = last_row(transformer_.stage_of(layer));
  const auto last = set.subspan(set.size() - 1);
  transformer_.at(layer).project(layer, row, last, /*want_queries=*/true, workspace);
  backend(layer).append_kv(cache_->view(), std::span(slots_).last(1), workspace.k(layer, 1),
                           workspace.v(layer, 1));
  if (h_.convolves(layer)) {
    if (!goes_on) return;
    convolve(set, layer);
    return transformer_.at(layer).finish(layer, workspace.attention(layer, 1), row, workspace);
  }
  const int32_t first[] = {static_cast<int32_t>(first_seen(set, layer))};
  const int32_t end[] = {static_cast<int32_t>(set.size())};
  const kernels::AttentionInput input = {.queries = workspace.q(layer, 1),
                                         .heads = h_.heads,
                                         .first_key = first,
                                         .end_key = end,
                                         .cache = cache_->view(),
                                         .key_slots = slots_,
                                         .scale = h_.attention_scale,
                                         .soft_cap = h_.attention_soft_cap,
                                         .sinks = transformer_.sinks(layer)};
  if (h_.full_attention(layer)) {
    layer_scores_.resize(set.size());
    backend(layer).attention_scores(input, kernels::ScoreKind::probability, layer_scores_);
    for (size_t i = 0; i < set.size(); ++i) scores[i] += layer_scores_[i];
  }
  if (!goes_on) return;
  const int32_t id[] = {sequence.tokens()[static_cast<size_t>(set.back())]};
  transformer_.at(layer).embed_for_layer(layer, id, workspace.per_layer(1), workspace);
  backend(layer).attention(input, workspace.attention(layer, 1));
  transformer_.at(layer).finish(layer, workspace.attention(layer, 1), row, workspace);
}

/// The last token's convolution over those of the positions before it that are in the set.
void Lookahead::convolve(std::span<const int32_t> set, int layer) {
  const int taps = h_.layer[static_cast<size_t>(layer)].convolution;
  input_slots_.clear();
  for (int32_t input = set.back() - taps + 1; input <= set.back(); ++input) {
    const auto place = std::lower_bound(set.begin(), set.end(), input);
    input_slots_.push_back(*place == input ? slots_[static_cast<size_t>(place - set.begin())]
                                           : KvCache::kNoSlot);
  }
  backend(layer).convolve({.cache = cache_->view(),
                           .slots = input_slots_,
                           .taps = taps,
                           .weights = transformer_.convolution(layer),
                           .bias = transformer_.convolution_bias(layer),
                           .gate = workspace(layer).q(layer, 1)},
                          workspace(layer).attention(layer, 1));
}

}  // namespace lazyllm::lazy
