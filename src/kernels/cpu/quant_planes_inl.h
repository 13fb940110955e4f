// SPDX-License-Identifier: Apache-2.0
// Reading the planes of packed weights (see PackedMatrix). Included after simd_<isa>.h,
// with LAZYLLM_ISA set.
#pragma once

#include "kernels/cpu/packed_weight.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

// The 4-bit codes of IQ4 as unsigned quants: kIq4Values + 128.
alignas(16) constexpr uint8_t kIq4Quants[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                129, 141, 153, 166, 181, 197, 217, 241};

/// The unsigned quants of k-step kStep of a group: [outputs of a vector][4 columns]. `planes` is
/// already moved to the vector's part of the tile.
template <int kBits, bool kCodebook, int kStep>
LAZYLLM_SIMD_INLINE Bytes load_step(const uint8_t* planes) {
  const auto plane = [&](int i) __attribute__((always_inline)) {
    return load_bytes(planes + i * kStepBytes);
  };
  if constexpr (kBits == 8) {
    return plane(kStep);
  } else if constexpr (kBits <= 3) {
    const Bytes low = take_bits<2 * (kStep % 4), 0, 2>(plane(kStep / 4));
    if constexpr (kBits == 2) return low;
    return either(low, take_bits<kStep, 2, 1>(plane(2)));
  } else {
    const Bytes low = take_bits<4 * (kStep % 2), 0, 4>(plane(kStep / 2));
    if constexpr (kCodebook) {
      return look_up(kIq4Quants, low);
    } else if constexpr (kBits == 5) {
      return either(low, take_bits<kStep, 4, 1>(plane(4)));
    } else if constexpr (kBits == 6) {
      return either(low, take_bits<2 * (kStep % 4), 4, 2>(plane(4 + kStep / 4)));
    } else {
      return low;
    }
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
