// SPDX-License-Identifier: Apache-2.0
// From products to weights, lane by lane. Included after simd_<isa>.h, with LAZYLLM_ISA set.
#pragma once

#include <cstring>

#include "kernels/cpu/attention_visible_inl.h"
#include "kernels/cpu/simd_math_inl.h"
#include "kernels/cpu/unroll.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();
constexpr float kLowest = -3e38f;  // of a score that is visible

/// 2^x for one number, by the same steps as the vectors.
LAZYLLM_SIMD_INLINE float power(float x) {
  float lanes[kWidth];
  store(lanes, power_of_two_nonpositive(broadcast(x)));
  return lanes[0];
}

/// Values that one step of the softmax takes; its sums are kept apart by place in
/// the chunk, so that they do not depend on what part of the chunk is visible.
constexpr int kStepValues = 4 * kWidth;

LAZYLLM_SIMD_INLINE void fill(float* values, int first, int end, float x) {
  for (int i = first; i < end; ++i) values[i] = x;
}

/// Weights of kStepValues scores, added to the sums; scores of -infinity (only where
/// kMasked) weigh exactly 0.
template <bool kMasked, typename Weight>
LAZYLLM_SIMD_INLINE void weigh_step(const float* scores, Vec top, Weight* out, Vec (&sums)[4]) {
  LAZYLLM_UNROLL
  for (int j = 0; j < 4; ++j) {
    const Vec x = sub(load(scores + j * kWidth), top);
    Vec p = power_of_two_nonpositive(x);
    if constexpr (kMasked) p = keep_if_not_less(x, broadcast(kLowest), p);
    store(out + j * kWidth, p);
    sums[j] = add(sums[j], p);
  }
}

/// One lane of a chunk: products become scores, and `out` (which may begin where `scores` does)
/// gets the weights 2^(score - maximum), 0 for keys that are not visible.
template <typename Weight>
LAZYLLM_SIMD_INLINE void softmax(float soft_cap, Range range, float* scores, Weight* out,
                                 float& maximum, float& total) {
  const int first = range.first / kStepValues * kStepValues;
  const int end = (range.end + kStepValues - 1) / kStepValues * kStepValues;
  if (soft_cap > 0.0f) {
    const Vec cap = broadcast(soft_cap);
    for (int i = range.first / kWidth * kWidth; i < range.end; i += kWidth) {
      store(scores + i, mul(cap, hyperbolic_tangent(load(scores + i))));
    }
  }
  fill(scores, first, range.first, kMinusInfinity);
  fill(scores, range.end, end, kMinusInfinity);
  Vec tops[4];
  LAZYLLM_UNROLL
  for (int j = 0; j < 4; ++j) tops[j] = load(scores + first + j * kWidth);
  for (int i = first + kStepValues; i < end; i += kStepValues) {
    LAZYLLM_UNROLL
    for (int j = 0; j < 4; ++j) tops[j] = max(tops[j], load(scores + i + j * kWidth));
  }
  maximum = reduce_max(max(max(tops[0], tops[1]), max(tops[2], tops[3])));
  const Vec top = broadcast(maximum);
  Vec sums[4] = {zero(), zero(), zero(), zero()};
  for (int i = first; i < end; i += kStepValues) {
    if (range.first <= i && i + kStepValues <= range.end) {
      weigh_step<false>(scores + i, top, out + i, sums);
    } else {
      weigh_step<true>(scores + i, top, out + i, sums);
    }
  }
  total = reduce_add(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  clear(out, first);
  clear(out + end, kChunkKeys - end);
}

/// All lanes of a chunk: the products in scratch.scores become weights, those of a lane beginning
/// where its products began.
template <typename Weight>
LAZYLLM_SIMD_INLINE void weigh_chunk(const AttentionTile& tile, const AttentionScratch& scratch,
                                     int64_t chunk_key, const AttentionPartial& out) {
  const int lanes = tile.rows * tile.group;
  for (int lane = 0; lane < lanes; ++lane) {
    float* scores = scratch.scores + int64_t{lane} * kChunkKeys;
    auto* weights = reinterpret_cast<Weight*>(scores);
    const Range range = visible(tile, lane / tile.group, chunk_key, kChunkKeys);
    if (range.empty()) {
      out.maximum[lane] = kMinusInfinity;
      out.sum[lane] = 0.0f;
      clear(weights, kChunkKeys);
    } else {
      softmax(tile.soft_cap, range, scores, weights, out.maximum[lane], out.sum[lane]);
    }
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
