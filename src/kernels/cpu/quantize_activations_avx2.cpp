// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/cpu/simd_avx2.h"
#define LAZYLLM_ISA avx2
#include "kernels/cpu/matmul_parts_inl.h"

namespace lazyllm::kernels::cpu::avx2 {
namespace {

/// Largest magnitude of 32 floats, as an integer: so magnitudes order like floats, with
/// infinity and NaN on top.
uint32_t maximum_magnitude(const float* x) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i top = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + 8 * i));
    top = _mm256_max_epu32(top, _mm256_and_si256(v, magnitude));
  }
  __m128i four = _mm_max_epu32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
}

/// 32 floats * inverse -> 32 int8 in order.
__m256i quantize_group(const float* x, float inverse) {
  const __m256 factor = _mm256_set1_ps(inverse);
  __m256i q[4];
  for (int i = 0; i < 4; ++i) {
    q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor));
  }
  // Packing works within 128-bit lanes; the permutation puts the pieces of 4 in order.
  const __m256i packed =
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

int32_t sum_of_four(__m128i v) {
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1));
  return _mm_cvtsi128_si32(v);
}

}  // namespace

void quantize_panel(const float* in, int64_t in_stride, int rows, int64_t groups, int8_t* quants,
                    float* scales, int32_t* sums16, int32_t* sums32) {
  for (int64_t g = 0; g < groups; ++g) {
    for (int r = 0; r < kPanelRows; ++r) {
      const int64_t entry = g * kPanelRows + r;
      int32_t* sums = sums16 + 2 * g * kPanelRows + r;
      if (r >= rows) {
        scales[entry] = 0.0f;
        sums[0] = sums[kPanelRows] = sums32[entry] = 0;
        continue;
      }
      const float* x = in + r * in_stride + g * kGroupColumns;
      const uint32_t bits = maximum_magnitude(x);
      float maximum;
      __builtin_memcpy(&maximum, &bits, 4);
      const bool tiny = bits < kTinyActivation;
      scales[entry] = tiny ? 0.0f : maximum / 127.0f;
      const __m256i q = quantize_group(x, tiny ? 0.0f : 127.0f / maximum);
      alignas(32) int32_t pieces[kGroupSteps];
      _mm256_store_si256(reinterpret_cast<__m256i*>(pieces), q);
      int8_t* out = quants + g * kActivationGroupBytes + r * 4;
      for (int step = 0; step < kGroupSteps; ++step) {
        __builtin_memcpy(out + step * kPanelRows * 4, pieces + step, 4);
      }
      const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
      const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
      sums[0] = sum_of_four(_mm256_castsi256_si128(fours));
      sums[kPanelRows] = sum_of_four(_mm256_extracti128_si256(fours, 1));
      sums32[entry] = sums[0] + sums[kPanelRows];
    }
  }
}

}  // namespace lazyllm::kernels::cpu::avx2
