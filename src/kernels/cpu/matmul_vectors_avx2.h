// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/simd_avx2.h"

// What the products with weights need beyond simd_avx2.h. For files of this instruction set alone.
namespace lazyllm::kernels::cpu::avx2 {

LAZYLLM_SIMD_INLINE Vec negate(Vec a) {
  return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f));
}
/// Values of BF16, of unsigned bytes, and of nibbles of bytes, the upper ones with kShift = 4.
LAZYLLM_SIMD_INLINE Vec load_bf16(const uint16_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(
      _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16));
}
LAZYLLM_SIMD_INLINE Vec load_u8(const uint8_t* p) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
template <int kShift>
LAZYLLM_SIMD_INLINE Vec load_nibbles(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_and_si256(
      _mm256_srli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))),
                        kShift),
      _mm256_set1_epi32(15)));
}

// Vectors of bytes, as matmul's planes are read.
using Bytes = __m256i;

LAZYLLM_SIMD_INLINE Bytes load_bytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
LAZYLLM_SIMD_INLINE void store_bytes(void* p, Bytes v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}
LAZYLLM_SIMD_INLINE Bytes either(Bytes a, Bytes b) {
  return _mm256_or_si256(a, b);
}
/// Bits [kFrom, kFrom + kWidth) of every byte, moved to bit kTo.
template <int kFrom, int kTo, int kBitCount>
LAZYLLM_SIMD_INLINE Bytes take_bits(Bytes v) {
  if constexpr (kFrom > kTo) v = _mm256_srli_epi16(v, kFrom - kTo);
  if constexpr (kFrom < kTo) v = _mm256_slli_epi16(v, kTo - kFrom);
  return _mm256_and_si256(v, _mm256_set1_epi8(((1 << kBitCount) - 1) << kTo));
}
/// table[i] of each byte's index i < 16.
LAZYLLM_SIMD_INLINE Bytes look_up(const uint8_t* table, Bytes indices) {
  const __m128i sixteen = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), indices);
}

}  // namespace lazyllm::kernels::cpu::avx2
