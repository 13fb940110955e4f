// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/simd_avx512.h"

// What the products with weights need beyond simd_avx512.h. For files of this instruction set
// alone.
namespace lazyllm::kernels::cpu::avx512 {

LAZYLLM_SIMD_INLINE Vec negate(Vec a) {
  return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}
/// Values of BF16, of unsigned bytes, and of nibbles of bytes, the upper ones with kShift = 4.
LAZYLLM_SIMD_INLINE Vec load_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
LAZYLLM_SIMD_INLINE Vec load_u8(const uint8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
template <int kShift>
LAZYLLM_SIMD_INLINE Vec load_nibbles(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_and_si512(
      _mm512_srli_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
                        kShift),
      _mm512_set1_epi32(15)));
}

// Vectors of bytes, as matmul's planes are read.
using Bytes = __m512i;

LAZYLLM_SIMD_INLINE Bytes load_bytes(const void* p) {
  return _mm512_loadu_si512(p);
}
LAZYLLM_SIMD_INLINE void store_bytes(void* p, Bytes v) {
  _mm512_storeu_si512(p, v);
}
LAZYLLM_SIMD_INLINE Bytes either(Bytes a, Bytes b) {
  return _mm512_or_si512(a, b);
}
/// Bits [kFrom, kFrom + kWidth) of every byte, moved to bit kTo.
template <int kFrom, int kTo, int kBitCount>
LAZYLLM_SIMD_INLINE Bytes take_bits(Bytes v) {
  if constexpr (kFrom > kTo) v = _mm512_srli_epi16(v, kFrom - kTo);
  if constexpr (kFrom < kTo) v = _mm512_slli_epi16(v, kTo - kFrom);
  return _mm512_and_si512(v, _mm512_set1_epi8(((1 << kBitCount) - 1) << kTo));
}
/// table[i] of each byte's index i < 16.
LAZYLLM_SIMD_INLINE Bytes look_up(const uint8_t* table, Bytes indices) {
  const __m128i sixteen = _mm_load_si128(reinterpret_cast<const __m128i*>(table));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(sixteen), indices);
}

}  // namespace lazyllm::kernels::cpu::avx512
