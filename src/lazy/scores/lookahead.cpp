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
      backend_(transformer.backend()),
      workspace_(transformer.hyperparameters(), transformer.backend()) {}

void Lookahead::score(const Sequence& sequence, std::span<const int32_t> set, int from, int layers,
                      std::span<float> scores) {
  LAZYLLM_CHECK(std::all_of(set.begin(), set.end(),
                            [&](int32_t token) { return sequence.depth(token) == from; }));
  workspace_.rope().reserve(sequence.size());
  workspace_.reserve(static_cast<int64_t>(std::min(kLookaheadRows, set.size())));
  const auto row_bytes = static_cast<size_t>(h_.hidden_size) * sizeof(float);
  if (!last_row_) last_row_ = backend_.allocate(row_bytes);
  const float* const source[] = {sequence.hidden().row(set.back())};
  backend_.gather(source, {last_row_.floats(), 1, h_.hidden_size, h_.hidden_size});

  std::fill(scores.begin(), scores.end(), 0.0f);
  const int end = std::min(h_.layers, from + layers);
  int taken = 0;
  for (int layer = from; layer < end; ++layer) {
    fit_cache(sequence.kv(layer).view().layout, set.size());
    store_keys_and_values(sequence, set, layer);
    taken += h_.full_attention(layer) ? 1 : 0;
    pass_layer(set, layer, scores, /*goes_on=*/layer + 1 < end);
  }
  if (taken == 0) return;
  for (float& score : scores) score /= static_cast<float>(taken);
}

/// Makes the cache one of this layout with a slot for each token of the set.
void Lookahead::fit_cache(const kernels::KvLayout& layout, size_t tokens) {
  if (!cache_ || cache_->view().layout != layout) cache_.emplace(backend_, layout);
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
                                      int layer) {
  const size_t others = set.size() - 1;
  for (size_t begin = first_seen(set, layer); begin < others; begin += kLookaheadRows) {
    const size_t count = std::min(kLookaheadRows, others - begin);
    const std::span<const int32_t> tile = set.subspan(begin, count);
    const auto rows = static_cast<int64_t>(count);
    rows_.clear();
    for (const int32_t token : tile) rows_.push_back(sequence.hidden().row(token));
    backend_.gather(rows_, workspace_.hidden(rows));
    transformer_.project(layer, workspace_.hidden(rows), tile, /*want_queries=*/false, workspace_);
    backend_.append_kv(cache_->view(), std::span(slots_).subspan(begin, count),
                       workspace_.k(layer, rows), workspace_.v(layer, rows));
  }
}

void Lookahead::pass_layer(std::span<const int32_t> set, int layer, std::span<float> scores,
                           bool goes_on) {
  const FloatRows row = {last_row_.floats(), 1, h_.hidden_size, h_.hidden_size};
  const auto last = set.subspan(set.size() - 1);
  transformer_.project(layer, row, last, /*want_queries=*/true, workspace_);
  backend_.append_kv(cache_->view(), std::span(slots_).last(1), workspace_.k(layer, 1),
                     workspace_.v(layer, 1));
  if (h_.convolves(layer)) {
    if (!goes_on) return;
    convolve(set, layer);
    return transformer_.finish(layer, workspace_.attention(layer, 1), row, workspace_);
  }
  const int32_t first[] = {static_cast<int32_t>(first_seen(set, layer))};
  const int32_t end[] = {static_cast<int32_t>(set.size())};
  const kernels::AttentionInput input = {.queries = workspace_.q(layer, 1),
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
    backend_.attention_scores(input, kernels::ScoreKind::probability, layer_scores_);
    for (size_t i = 0; i < set.size(); ++i) scores[i] += layer_scores_[i];
  }
  if (!goes_on) return;
  backend_.attention(input, workspace_.attention(layer, 1));
  transformer_.finish(layer, workspace_.attention(layer, 1), row, workspace_);
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
  backend_.convolve({.cache = cache_->view(),
                     .slots = input_slots_,
                     .taps = taps,
                     .weights = transformer_.convolution(layer),
                     .bias = transformer_.convolution_bias(layer),
                     .gate = workspace_.q(layer, 1)},
                    workspace_.attention(layer, 1));
}

}  // namespace lazyllm::lazy
