// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#include "base/float16.h"

// Vectors of plain C++ (the compiler's vector extension): any processor. The
// same names exist in simd_avx2.h and simd_avx512.h; the algorithms are written
// once over them, in *_inl.h. There is no fused multiply-add here, because a
// processor without one would call a slow library function.
#define LAZYLLM_SIMD_INLINE [[gnu::always_inline]] inline

namespace lazyllm::kernels::cpu::generic {

using Vec = float __attribute__((vector_size(16)));
inline constexpr int kWidth = 4;
inline constexpr int kTileRows = 4;  ///< register tile of a product: rows x vectors
inline constexpr int kTileVectors = 2;

#include "kernels/cpu/simd_operators_inl.h"

LAZYLLM_SIMD_INLINE Vec broadcast(float x) {
  return Vec{x, x, x, x};
}
/// The first n < kWidth values, the rest 0.
LAZYLLM_SIMD_INLINE Vec load_first(const float* p, int n) {
  Vec v = zero();
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
LAZYLLM_SIMD_INLINE void store_first(float* p, Vec v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}

LAZYLLM_SIMD_INLINE Vec max(Vec a, Vec b) {
  return a > b ? a : b;
}
LAZYLLM_SIMD_INLINE Vec min(Vec a, Vec b) {
  return a < b ? a : b;
}
LAZYLLM_SIMD_INLINE Vec absolute(Vec a) {
  return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(a) & 0x7fffffff);
}
LAZYLLM_SIMD_INLINE Vec multiply_add(Vec a, Vec b, Vec c) {
  return a * b + c;
}
/// x where a >= b, else 0.
LAZYLLM_SIMD_INLINE Vec keep_if_not_less(Vec a, Vec b, Vec x) {
  return a >= b ? x : zero();
}
/// a > b ? x : y
LAZYLLM_SIMD_INLINE Vec select_greater(Vec a, Vec b, Vec x, Vec y) {
  return a > b ? x : y;
}
/// (1, 0, 3, 2, ...)
LAZYLLM_SIMD_INLINE Vec swap_pairs(Vec v) {
  return Vec{v[1], v[0], v[3], v[2]};
}

LAZYLLM_SIMD_INLINE float reduce_add(Vec v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
LAZYLLM_SIMD_INLINE float reduce_max(Vec v) {
  const float a = v[0] > v[2] ? v[0] : v[2];
  const float b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}

LAZYLLM_SIMD_INLINE Vec load_f16(const uint16_t* p) {
  return Vec{half_to_float(p[0]), half_to_float(p[1]), half_to_float(p[2]), half_to_float(p[3])};
}
LAZYLLM_SIMD_INLINE void store_f16(uint16_t* p, Vec v) {
  for (int i = 0; i < kWidth; ++i) p[i] = float_to_half(v[i]);
}
LAZYLLM_SIMD_INLINE float f16_to_float(uint16_t half) {
  return half_to_float(half);
}
LAZYLLM_SIMD_INLINE uint16_t float_to_f16(float x) {
  return float_to_half(x);
}
LAZYLLM_SIMD_INLINE Vec load_i8(const int8_t* p) {
  return Vec{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
             static_cast<float>(p[3])};
}
/// Rounds to nearest even; values in [-128, 127].
LAZYLLM_SIMD_INLINE void store_i8(int8_t* p, Vec v) {
  const Vec shifted = v + 0x1.8p23f;
  const IntVec bits = reinterpret_cast<IntVec>(shifted);
  for (int i = 0; i < kWidth; ++i) p[i] = static_cast<int8_t>(bits[i]);
}

/// out[c][r] = in(r)[c] for a square of kWidth.
template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose(const Rows& in, float* out, int64_t out_stride) {
  for (int r = 0; r < kWidth; ++r) {
    const Vec row = in(r);
    for (int c = 0; c < kWidth; ++c) out[c * out_stride + r] = row[c];
  }
}

/// out[c][r] = in(r)[c] for 2 * kWidth halves of each of kWidth rows.
template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose_halves(const Rows& in, uint16_t* out, int64_t out_stride) {
  for (int r = 0; r < kWidth; ++r) {
    const uint16_t* row = in(r);
    for (int c = 0; c < 2 * kWidth; ++c) out[c * out_stride + r] = row[c];
  }
}

}  // namespace lazyllm::kernels::cpu::generic
