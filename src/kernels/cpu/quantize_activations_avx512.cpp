// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/cpu/matmul_parts_avx512.h"

namespace lazyllm::kernels::cpu::avx512 {
namespace {

/// 32 floats -> 32 int8, and the scale (see MatmulKernels::quantize_panel).
__m256i quantize_group(const float* x, float* scale) {
  const __m512 a = _mm512_loadu_ps(x);
  const __m512 b = _mm512_loadu_ps(x + 16);
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  // As integers the magnitudes order like floats, with infinity and NaN on top.
  const __m512i top = _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                                       _mm512_and_si512(_mm512_castps_si512(b), magnitude));
  const uint32_t bits = _mm512_reduce_max_epu32(top);
  float maximum;
  __builtin_memcpy(&maximum, &bits, 4);
  const bool tiny = bits < kTinyActivation;
  *scale = tiny ? 0.0f : maximum / 127.0f;
  const __m512 inverse = _mm512_set1_ps(tiny ? 0.0f : 127.0f / maximum);
  const __m128i low = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)));
  const __m128i high = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)));
  return _mm256_set_m128i(high, low);
}

// Interleaving: 32-bit piece i of a group is k-step i / 6 of row i % 6; before, piece
// 8 * row + step. The first four rows come from a pair of vectors, the others from a third.
struct Interleave {
  int32_t from[3][16];
  uint16_t third[3];
};

constexpr Interleave make_interleave() {
  Interleave table{};
  for (int i = 0; i < 48; ++i) {
    const int row = i % kPanelRows;
    const int source = 8 * row + i / kPanelRows;
    table.from[i / 16][i % 16] = source % 32;
    if (source >= 32) {
      table.third[i / 16] = static_cast<uint16_t>(table.third[i / 16] | 1 << (i % 16));
    }
  }
  return table;
}

alignas(64) constexpr Interleave kInterleave = make_interleave();

}  // namespace

void quantize_panel(const float* in, int64_t in_stride, int rows, int64_t groups, int8_t* quants,
                    float* scales, int32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  constexpr __mmask8 kSix = 0x3f;
  for (int64_t g = 0; g < groups; ++g) {
    __m256i q[kPanelRows];
    alignas(32) float group_scales[8];
    for (int r = 0; r < kPanelRows; ++r) {
      q[r] = _mm256_setzero_si256();
      group_scales[r] = 0.0f;
      if (r < rows) q[r] = quantize_group(in + r * in_stride + g * kGroupColumns, group_scales + r);
    }
    const __m512i first = _mm512_inserti64x4(_mm512_castsi256_si512(q[0]), q[1], 1);
    const __m512i second = _mm512_inserti64x4(_mm512_castsi256_si512(q[2]), q[3], 1);
    const __m512i third = _mm512_inserti64x4(_mm512_castsi256_si512(q[4]), q[5], 1);
    alignas(64) int32_t step_sums[48];  // [8 steps][6 rows]
    for (int i = 0; i < 3; ++i) {
      const __m512i from = _mm512_load_si512(kInterleave.from[i]);
      const __m512i both = _mm512_permutex2var_epi32(first, from, second);
      const __m512i all =
          _mm512_mask_permutexvar_epi32(both, kInterleave.third[i], from, third);
      _mm512_storeu_si512(quants + g * kActivationGroupBytes + i * 64, all);
      _mm512_store_si512(step_sums + i * 16,
                         _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, all));
    }
    for (int half = 0; half < 2; ++half) {
      __m256i sum = _mm256_setzero_si256();
      for (int step = 0; step < 4; ++step) {
        const int32_t* s = step_sums + (4 * half + step) * kPanelRows;
        sum = _mm256_add_epi32(sum, _mm256_maskz_loadu_epi32(kSix, s));
      }
      _mm256_mask_storeu_epi32(sums + (2 * g + half) * kPanelRows, kSix, sum);
    }
    _mm256_mask_storeu_ps(scales + g * kPanelRows, kSix, _mm256_load_ps(group_scales));
  }
}

}  // namespace lazyllm::kernels::cpu::avx512
