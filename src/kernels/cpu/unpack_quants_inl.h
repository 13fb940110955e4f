// SPDX-License-Identifier: Apache-2.0
// Planes of quants to one byte each. Included once by unpack_quants_<isa>.cpp, after
// simd_<isa>.h, with LAZYLLM_ISA set.
#include <utility>

#include "kernels/cpu/matmul_parts_inl.h"
#include "kernels/cpu/quant_planes_inl.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

template <int kBits, bool kCodebook, int... kSteps>
LAZYLLM_SIMD_INLINE void unpack_steps(const uint8_t* planes, uint8_t* out,
                                      std::integer_sequence<int, kSteps...>) {
  (store_bytes(out + kSteps * kStepBytes, load_step<kBits, kCodebook, kSteps>(planes)), ...);
}

template <int kBits, bool kCodebook>
void unpack(const uint8_t* planes, int64_t groups, uint8_t* out, int64_t stride) {
  for (int64_t g = 0; g < groups; ++g) {
    const uint8_t* p = planes + g * kStepBytes * kBits;
    LAZYLLM_UNROLL
    for (size_t at = 0; at < kStepBytes; at += sizeof(Bytes)) {
      unpack_steps<kBits, kCodebook>(p + at, out + g * stride + at,
                                     std::integer_sequence<int, 0, 1, 2, 3, 4, 5, 6, 7>());
    }
  }
}

}  // namespace

void unpack_quants(const PackedFormat& f, const uint8_t* planes, int64_t groups, uint8_t* out,
                   int64_t stride) {
  switch (f.bits) {
    case 2:
      return unpack<2, false>(planes, groups, out, stride);
    case 3:
      return unpack<3, false>(planes, groups, out, stride);
    case 4:
      return f.codebook ? unpack<4, true>(planes, groups, out, stride)
                        : unpack<4, false>(planes, groups, out, stride);
    case 5:
      return unpack<5, false>(planes, groups, out, stride);
    case 6:
      return unpack<6, false>(planes, groups, out, stride);
    default:
      return unpack<8, false>(planes, groups, out, stride);
  }
}

}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
