// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading the planes of packed weights (see PackedMatrix). Only for files of this
// instruction set: everything is local to the file that includes it.
#include <immintrin.h>

#include "kernels/cpu/packed_weight.h"

// Accumulators must stay in registers: everything inside a kernel is inlined and unrolled.
#define LAZYLLM_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define LAZYLLM_UNROLL _Pragma("unroll")
#else
#define LAZYLLM_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lazyllm::kernels::cpu {
namespace {

// The 4-bit codes of IQ4 as unsigned quants: kIq4Values + 128.
alignas(16) constexpr uint8_t kIq4Quants[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                129, 141, 153, 166, 181, 197, 217, 241};

LAZYLLM_INLINE __m512i load(const void* data) {
  return _mm512_loadu_si512(data);
}

/// Bits [from, from + width) of every byte, moved to bit `to`.
template <int kFrom, int kTo, int kWidth>
LAZYLLM_INLINE __m512i take_bits(__m512i v) {
  constexpr int kMask = ((1 << kWidth) - 1) << kTo;
  __m512i moved = v;
  if constexpr (kFrom > kTo) moved = _mm512_srli_epi16(v, kFrom - kTo);
  if constexpr (kFrom < kTo) moved = _mm512_slli_epi16(v, kTo - kFrom);
  return _mm512_and_si512(moved, _mm512_set1_epi8(kMask));
}

/// The unsigned quants of k-step kStep of a group: [16 outputs][4 columns].
template <int kBits, bool kCodebook, int kStep>
LAZYLLM_INLINE __m512i load_step(const uint8_t* planes) {
  if constexpr (kBits == 8) {
    return load(planes + kStep * kStepBytes);
  } else if constexpr (kBits <= 3) {
    const __m512i low = take_bits<2 * (kStep % 4), 0, 2>(load(planes + kStep / 4 * kStepBytes));
    if constexpr (kBits == 2) return low;
    return _mm512_or_si512(low, take_bits<kStep, 2, 1>(load(planes + 2 * kStepBytes)));
  } else {
    const __m512i low = take_bits<4 * (kStep % 2), 0, 4>(load(planes + kStep / 2 * kStepBytes));
    if constexpr (kCodebook) {
      const __m512i table =
          _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kIq4Quants)));
      return _mm512_shuffle_epi8(table, low);
    } else if constexpr (kBits == 5) {
      return _mm512_or_si512(low, take_bits<kStep, 4, 1>(load(planes + 4 * kStepBytes)));
    } else if constexpr (kBits == 6) {
      const __m512i high = load(planes + (4 + kStep / 4) * kStepBytes);
      return _mm512_or_si512(low, take_bits<2 * (kStep % 4), 4, 2>(high));
    } else {
      return low;
    }
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu
