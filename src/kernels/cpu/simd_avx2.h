// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/cpu/lanes_f16c.h"
#include "kernels/cpu/unroll.h"

// simd_generic.h with AVX2, FMA and F16C. For *_avx2.cpp alone.
#define LAZYLLM_SIMD_INLINE [[gnu::always_inline]] inline

namespace lazyllm::kernels::cpu::avx2 {

using Vec = __m256;
inline constexpr int kWidth = 8;
inline constexpr int kTileRows = 6;  ///< 12 of the 16 registers are sums
inline constexpr int kTileVectors = 2;

#include "kernels/cpu/simd_operators_inl.h"

LAZYLLM_SIMD_INLINE __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

LAZYLLM_SIMD_INLINE Vec broadcast(float x) {
  return _mm256_set1_ps(x);
}
LAZYLLM_SIMD_INLINE Vec load_first(const float* p, int n) {
  return _mm256_maskload_ps(p, first_lanes(n));
}
LAZYLLM_SIMD_INLINE void store_first(float* p, Vec v, int n) {
  _mm256_maskstore_ps(p, first_lanes(n), v);
}

LAZYLLM_SIMD_INLINE Vec max(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
LAZYLLM_SIMD_INLINE Vec min(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
LAZYLLM_SIMD_INLINE Vec absolute(Vec a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
LAZYLLM_SIMD_INLINE Vec multiply_add(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
LAZYLLM_SIMD_INLINE Vec keep_if_not_less(Vec a, Vec b, Vec x) {
  return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ), x);
}
LAZYLLM_SIMD_INLINE Vec select_greater(Vec a, Vec b, Vec x, Vec y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
LAZYLLM_SIMD_INLINE Vec swap_pairs(Vec v) {
  return _mm256_permute_ps(v, 0xb1);
}

using Bytes = __m256i;

/// table[i] of each byte's index i < 16.
LAZYLLM_SIMD_INLINE Bytes look_up(const uint8_t* table, Bytes indices) {
  const __m128i sixteen = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), indices);
}

LAZYLLM_SIMD_INLINE float reduce_add(Vec v) {
  return sum_of_four(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}
LAZYLLM_SIMD_INLINE float reduce_max(Vec v) {
  return highest_of_four(_mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}

LAZYLLM_SIMD_INLINE Vec load_f16(const uint16_t* p) {
  return _mm256_cvtph_ps(load_128(p));
}
LAZYLLM_SIMD_INLINE void store_f16(uint16_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
LAZYLLM_SIMD_INLINE Vec load_i8(const int8_t* p) {
  const __m128i bytes = load_64(p);
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
LAZYLLM_SIMD_INLINE void store_i8(int8_t* p, Vec v) {
  const __m256i whole = _mm256_cvtps_epi32(v);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}

LAZYLLM_SIMD_INLINE IntVec widen_bytes(const uint8_t* p) {
  return reinterpret_cast<IntVec>(_mm256_cvtepu8_epi32(load_64(p)));
}
LAZYLLM_SIMD_INLINE IntVec widen_halves(const uint16_t* p) {
  return reinterpret_cast<IntVec>(_mm256_cvtepu16_epi32(load_128(p)));
}

#include "kernels/cpu/simd_bytes_inl.h"

template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose(const Rows& in, float* out, int64_t out_stride) {
  __m256 fours[8];
  LAZYLLM_UNROLL
  for (int i = 0; i < 8; i += 4) {
    const __m256 r0 = in(i);
    const __m256 r1 = in(i + 1);
    const __m256 r2 = in(i + 2);
    const __m256 r3 = in(i + 3);
    const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(r0, r1));
    const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(r0, r1));
    const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(r2, r3));
    const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(r2, r3));
    fours[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    fours[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    fours[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    fours[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
  }
  // fours[4 * g + c], half h: rows 4g .. 4g + 3 of column 4h + c.
  LAZYLLM_UNROLL
  for (int c = 0; c < 4; ++c) {
    store(out + c * out_stride, _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x20));
    store(out + (4 + c) * out_stride, _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x31));
  }
}

template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose_halves(const Rows& in, uint16_t* out, int64_t out_stride) {
  __m256i pairs[8];  // [2 * i + half]: rows 2i, 2i + 1 of four columns of each 128-bit part
  LAZYLLM_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in(2 * i)));
    const __m256i odd = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in(2 * i + 1)));
    pairs[2 * i] = _mm256_unpacklo_epi16(even, odd);
    pairs[2 * i + 1] = _mm256_unpackhi_epi16(even, odd);
  }
  LAZYLLM_UNROLL
  for (int quarter = 0; quarter < 4; ++quarter) {  // two columns of each part
    const int half = quarter / 2;
    const auto fours = [&](int i) {
      return quarter % 2 == 0 ? _mm256_unpacklo_epi32(pairs[4 * i + half], pairs[4 * i + 2 + half])
                              : _mm256_unpackhi_epi32(pairs[4 * i + half], pairs[4 * i + 2 + half]);
    };
    const __m256i first = fours(0);
    const __m256i last = fours(1);
    const __m256i columns[2] = {_mm256_unpacklo_epi64(first, last),
                                _mm256_unpackhi_epi64(first, last)};
    LAZYLLM_UNROLL
    for (int c = 0; c < 2; ++c) {
      uint16_t* to = out + (2 * quarter + c) * out_stride;
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(columns[c]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8 * out_stride),
                       _mm256_extracti128_si256(columns[c], 1));
    }
  }
}

}  // namespace lazyllm::kernels::cpu::avx2
