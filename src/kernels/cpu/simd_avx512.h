// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/cpu/lanes_f16c.h"
#include "kernels/cpu/unroll.h"

// simd_generic.h with AVX-512 (F, BW, DQ, VL). For *_avx512.cpp alone.
#define LAZYLLM_SIMD_INLINE [[gnu::always_inline]] inline

namespace lazyllm::kernels::cpu::avx512 {

using Vec = __m512;
inline constexpr int kWidth = 16;
inline constexpr int kTileRows = 6;  ///< 24 of the 32 registers are sums
inline constexpr int kTileVectors = 4;

#include "kernels/cpu/simd_operators_inl.h"

LAZYLLM_SIMD_INLINE __mmask16 first_lanes(int n) {
  return static_cast<__mmask16>((1u << n) - 1u);
}

LAZYLLM_SIMD_INLINE Vec broadcast(float x) {
  return _mm512_set1_ps(x);
}
LAZYLLM_SIMD_INLINE Vec load_first(const float* p, int n) {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
LAZYLLM_SIMD_INLINE void store_first(float* p, Vec v, int n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), v);
}

LAZYLLM_SIMD_INLINE Vec max(Vec a, Vec b) {
  return _mm512_max_ps(a, b);
}
LAZYLLM_SIMD_INLINE Vec min(Vec a, Vec b) {
  return _mm512_min_ps(a, b);
}
LAZYLLM_SIMD_INLINE Vec absolute(Vec a) {
  return _mm512_abs_ps(a);
}
LAZYLLM_SIMD_INLINE Vec multiply_add(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
LAZYLLM_SIMD_INLINE Vec keep_if_not_less(Vec a, Vec b, Vec x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), x);
}
LAZYLLM_SIMD_INLINE Vec select_greater(Vec a, Vec b, Vec x, Vec y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
LAZYLLM_SIMD_INLINE Vec swap_pairs(Vec v) {
  return _mm512_permute_ps(v, 0xb1);
}

using Bytes = __m512i;

/// table[i] of each byte's index i < 16.
LAZYLLM_SIMD_INLINE Bytes look_up(const uint8_t* table, Bytes indices) {
  const __m128i sixteen = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(sixteen), indices);
}

LAZYLLM_SIMD_INLINE float reduce_add(Vec v) {
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0x4e));
  return sum_of_four(_mm_add_ps(_mm512_castps512_ps128(v), _mm512_extractf32x4_ps(v, 1)));
}
LAZYLLM_SIMD_INLINE float reduce_max(Vec v) {
  v = _mm512_max_ps(v, _mm512_shuffle_f32x4(v, v, 0x4e));
  return highest_of_four(_mm_max_ps(_mm512_castps512_ps128(v), _mm512_extractf32x4_ps(v, 1)));
}

LAZYLLM_SIMD_INLINE Vec load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(load_256(p));
}
LAZYLLM_SIMD_INLINE void store_f16(uint16_t* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
LAZYLLM_SIMD_INLINE Vec load_i8(const int8_t* p) {
  const __m128i bytes = load_128(p);
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
LAZYLLM_SIMD_INLINE void store_i8(int8_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}

LAZYLLM_SIMD_INLINE IntVec widen_bytes(const uint8_t* p) {
  return reinterpret_cast<IntVec>(_mm512_cvtepu8_epi32(load_128(p)));
}
LAZYLLM_SIMD_INLINE IntVec widen_halves(const uint16_t* p) {
  return reinterpret_cast<IntVec>(_mm512_cvtepu16_epi32(load_256(p)));
}

#include "kernels/cpu/simd_bytes_inl.h"

template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose(const Rows& in, float* out, int64_t out_stride) {
  __m512i rows[16];
  LAZYLLM_UNROLL
  for (int i = 0; i < 16; ++i) rows[i] = _mm512_castps_si512(in(i));
  // Pairs of rows, then fours; inside each 128-bit part.
  __m512i fours[16];
  LAZYLLM_UNROLL
  for (int i = 0; i < 16; i += 4) {
    const __m512i low01 = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    const __m512i high01 = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    const __m512i low23 = _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3]);
    const __m512i high23 = _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3]);
    fours[i] = _mm512_unpacklo_epi64(low01, low23);
    fours[i + 1] = _mm512_unpackhi_epi64(low01, low23);
    fours[i + 2] = _mm512_unpacklo_epi64(high01, high23);
    fours[i + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
  // fours[4 * g + c], part p: rows 4g .. 4g + 3 of column 4p + c.
  LAZYLLM_UNROLL
  for (int c = 0; c < 4; ++c) {
    const __m512i even01 = _mm512_shuffle_i32x4(fours[c], fours[4 + c], 0x88);
    const __m512i odd01 = _mm512_shuffle_i32x4(fours[c], fours[4 + c], 0xdd);
    const __m512i even23 = _mm512_shuffle_i32x4(fours[8 + c], fours[12 + c], 0x88);
    const __m512i odd23 = _mm512_shuffle_i32x4(fours[8 + c], fours[12 + c], 0xdd);
    _mm512_storeu_si512(out + c * out_stride, _mm512_shuffle_i32x4(even01, even23, 0x88));
    _mm512_storeu_si512(out + (4 + c) * out_stride, _mm512_shuffle_i32x4(odd01, odd23, 0x88));
    _mm512_storeu_si512(out + (8 + c) * out_stride, _mm512_shuffle_i32x4(even01, even23, 0xdd));
    _mm512_storeu_si512(out + (12 + c) * out_stride, _mm512_shuffle_i32x4(odd01, odd23, 0xdd));
  }
}

template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose_halves(const Rows& in, uint16_t* out, int64_t out_stride) {
  // Eight rows of all 32 columns: part p of eights[g][c] is column 8p + c of rows 8g .. 8g + 7.
  __m512i eights[2][8];
  LAZYLLM_UNROLL
  for (int g = 0; g < 2; ++g) {
    __m512i pairs[8];  // [2 * i + half]: rows 2i, 2i + 1 of four columns of each part
    LAZYLLM_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m512i even = _mm512_loadu_si512(in(8 * g + 2 * i));
      const __m512i odd = _mm512_loadu_si512(in(8 * g + 2 * i + 1));
      pairs[2 * i] = _mm512_unpacklo_epi16(even, odd);
      pairs[2 * i + 1] = _mm512_unpackhi_epi16(even, odd);
    }
    LAZYLLM_UNROLL
    for (int half = 0; half < 2; ++half) {
      const __m512i low0 = _mm512_unpacklo_epi32(pairs[half], pairs[2 + half]);
      const __m512i high0 = _mm512_unpackhi_epi32(pairs[half], pairs[2 + half]);
      const __m512i low1 = _mm512_unpacklo_epi32(pairs[4 + half], pairs[6 + half]);
      const __m512i high1 = _mm512_unpackhi_epi32(pairs[4 + half], pairs[6 + half]);
      eights[g][4 * half] = _mm512_unpacklo_epi64(low0, low1);
      eights[g][4 * half + 1] = _mm512_unpackhi_epi64(low0, low1);
      eights[g][4 * half + 2] = _mm512_unpacklo_epi64(high0, high1);
      eights[g][4 * half + 3] = _mm512_unpackhi_epi64(high0, high1);
    }
  }
  // Parts 0 and 1, then 2 and 3, of both halves of the rows side by side.
  const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  LAZYLLM_UNROLL
  for (int c = 0; c < 8; ++c) {
    const __m512i low = _mm512_permutex2var_epi64(eights[0][c], front, eights[1][c]);
    const __m512i high = _mm512_permutex2var_epi64(eights[0][c], back, eights[1][c]);
    const auto put = [&](int column, __m256i halves) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + column * out_stride), halves);
    };
    put(c, _mm512_castsi512_si256(low));
    put(8 + c, _mm512_extracti64x4_epi64(low, 1));
    put(16 + c, _mm512_castsi512_si256(high));
    put(24 + c, _mm512_extracti64x4_epi64(high, 1));
  }
}

}  // namespace lazyllm::kernels::cpu::avx512
