// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/matmul_parts_avx2.h"
#include "kernels/cpu/quant_planes_avx2.h"

namespace lazyllm::kernels::cpu::avx2 {
namespace {

template <int kBits, bool kCodebook, int kStep>
LAZYLLM_INLINE void unpack_step(const uint8_t* planes, uint8_t* out) {
  for (int h = 0; h < kHalves; ++h) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + kStep * kStepBytes + h * kHalfBytes),
                        load_step<kBits, kCodebook, kStep>(planes + h * kHalfBytes));
  }
}

template <int kBits, bool kCodebook>
void unpack(const uint8_t* planes, int64_t groups, uint8_t* out, int64_t stride) {
  for (int64_t g = 0; g < groups; ++g) {
    const uint8_t* p = planes + g * kStepBytes * kBits;
    uint8_t* o = out + g * stride;
    unpack_step<kBits, kCodebook, 0>(p, o);
    unpack_step<kBits, kCodebook, 1>(p, o);
    unpack_step<kBits, kCodebook, 2>(p, o);
    unpack_step<kBits, kCodebook, 3>(p, o);
    unpack_step<kBits, kCodebook, 4>(p, o);
    unpack_step<kBits, kCodebook, 5>(p, o);
    unpack_step<kBits, kCodebook, 6>(p, o);
    unpack_step<kBits, kCodebook, 7>(p, o);
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

}  // namespace lazyllm::kernels::cpu::avx2
