// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/cpu/simd_avx512.h"
#define LAZYLLM_ISA avx512
#include "kernels/cpu/matmul_parts_inl.h"

namespace lazyllm::kernels::cpu::avx512 {
namespace {

constexpr int kPrefetchFloats = 6 * kGroupColumns;

/// 8 partial maxima of the magnitudes of 32 floats, as integers: so they order like
/// floats, with infinity and NaN on top.
__m256i partial_maximum(const float* x) {
  const __m512i a = _mm512_loadu_si512(x);
  const __m512i b = _mm512_loadu_si512(x + 16);
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const __m512i top =
      _mm512_max_epu32(_mm512_and_si512(a, magnitude), _mm512_and_si512(b, magnitude));
  return _mm256_max_epu32(_mm512_castsi512_si256(top), _mm512_extracti64x4_epi64(top, 1));
}

/// The maxima of 6 vectors side by side.
__m256i maximum_of_each(const __m256i (&m)[kPanelRows]) {
  const auto pair = [](__m256i a, __m256i b) {
    return _mm256_max_epu32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  };
  const auto pair_of_pairs = [](__m256i a, __m256i b) {
    return _mm256_max_epu32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
  };
  const __m256i first = pair_of_pairs(pair(m[0], m[1]), pair(m[2], m[3]));
  const __m256i last = pair(m[4], m[5]);
  const __m256i second = pair_of_pairs(last, last);
  return _mm256_max_epu32(_mm256_permute2x128_si256(first, second, 0x20),
                          _mm256_permute2x128_si256(first, second, 0x31));
}

__m256i quantize_group(const float* x, float inverse) {
  const __m512 factor = _mm512_set1_ps(inverse);
  const __m512i low = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), factor));
  const __m512i high = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16), factor));
  return _mm256_set_m128i(_mm512_cvtepi32_epi8(high), _mm512_cvtepi32_epi8(low));
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
                    float* scales, int32_t* sums16, int32_t* sums32) {
  const __m512i ones = _mm512_set1_epi8(1);
  const __m256 top_quant = _mm256_set1_ps(127.0f);
  constexpr __mmask8 kSix = 0x3f;
  for (int64_t g = 0; g < groups; ++g) {
    const float* x = in + g * kGroupColumns;
    __m256i partial[kPanelRows];
    __m256i q[kPanelRows];
    for (int r = 0; r < kPanelRows; ++r) {
      partial[r] = _mm256_setzero_si256();
      if (r >= rows) continue;
      const float* row = x + r * in_stride;
      // Six streams are more than the hardware follows well.
      _mm_prefetch(reinterpret_cast<const char*>(row + kPrefetchFloats), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(row + kPrefetchFloats + 16), _MM_HINT_T0);
      partial[r] = partial_maximum(row);
    }
    const __m256i maxima = maximum_of_each(partial);
    const __mmask8 used = _mm256_cmpge_epu32_mask(maxima, _mm256_set1_epi32(kTinyActivation));
    const __m256 maximum = _mm256_castsi256_ps(maxima);
    _mm256_mask_storeu_ps(scales + g * kPanelRows, kSix,
                          _mm256_maskz_div_ps(used, maximum, top_quant));
    alignas(32) float inverses[8];
    _mm256_store_ps(inverses, _mm256_maskz_div_ps(used, top_quant, maximum));
    for (int r = 0; r < kPanelRows; ++r) {
      q[r] = r < rows ? quantize_group(x + r * in_stride, inverses[r]) : _mm256_setzero_si256();
    }
    const __m512i first = _mm512_inserti64x4(_mm512_castsi256_si512(q[0]), q[1], 1);
    const __m512i second = _mm512_inserti64x4(_mm512_castsi256_si512(q[2]), q[3], 1);
    const __m512i third = _mm512_inserti64x4(_mm512_castsi256_si512(q[4]), q[5], 1);
    alignas(64) int32_t step_sums[48];  // [8 steps][6 rows]
    for (int i = 0; i < 3; ++i) {
      const __m512i from = _mm512_load_si512(kInterleave.from[i]);
      const __m512i four = _mm512_permutex2var_epi32(first, from, second);
      const __m512i all = _mm512_mask_permutexvar_epi32(four, kInterleave.third[i], from, third);
      _mm512_storeu_si512(quants + g * kActivationGroupBytes + i * 64, all);
      _mm512_store_si512(step_sums + i * 16,
                         _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, all));
    }
    __m256i both = _mm256_setzero_si256();
    for (int half = 0; half < 2; ++half) {
      __m256i sum = _mm256_setzero_si256();
      for (int step = 0; step < 4; ++step) {
        const int32_t* s = step_sums + (4 * half + step) * kPanelRows;
        sum = _mm256_add_epi32(sum, _mm256_maskz_loadu_epi32(kSix, s));
      }
      _mm256_mask_storeu_epi32(sums16 + (2 * g + half) * kPanelRows, kSix, sum);
      both = _mm256_add_epi32(both, sum);
    }
    _mm256_mask_storeu_epi32(sums32 + g * kPanelRows, kSix, both);
  }
}

}  // namespace lazyllm::kernels::cpu::avx512
