// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/matmul_parts_avx512.h"
#include "kernels/cpu/quant_planes_avx512.h"

namespace lazyllm::kernels::cpu::avx512 {
namespace {

template <int kBits, bool kCodebook>
void unpack(const uint8_t* planes, int64_t groups, uint8_t* out, int64_t stride) {
  for (int64_t g = 0; g < groups; ++g) {
    const uint8_t* p = planes + g * kStepBytes * kBits;
    uint8_t* o = out + g * stride;
    _mm512_storeu_si512(o, load_step<kBits, kCodebook, 0>(p));
    _mm512_storeu_si512(o + 1 * kStepBytes, load_step<kBits, kCodebook, 1>(p));
    _mm512_storeu_si512(o + 2 * kStepBytes, load_step<kBits, kCodebook, 2>(p));
    _mm512_storeu_si512(o + 3 * kStepBytes, load_step<kBits, kCodebook, 3>(p));
    _mm512_storeu_si512(o + 4 * kStepBytes, load_step<kBits, kCodebook, 4>(p));
    _mm512_storeu_si512(o + 5 * kStepBytes, load_step<kBits, kCodebook, 5>(p));
    _mm512_storeu_si512(o + 6 * kStepBytes, load_step<kBits, kCodebook, 6>(p));
    _mm512_storeu_si512(o + 7 * kStepBytes, load_step<kBits, kCodebook, 7>(p));
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

}  // namespace lazyllm::kernels::cpu::avx512
