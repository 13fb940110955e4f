// SPDX-License-Identifier: Apache-2.0
// The integer products with AVX-VNNI: vpdpbusd on vectors of 256 bits, for processors without
// AVX-512. Everything else is AVX2's.
#include <immintrin.h>

#include "kernels/cpu/simd_avx2.h"
#define LAZYLLM_ISA avx2
#include "kernels/cpu/matmul_parts_inl.h"
#include "kernels/cpu/quant_product_avx2.h"

namespace lazyllm::kernels::cpu::avx2 {
namespace {

/// kPacked: the weights stand in planes, not one quant per byte.
template <int kBits, bool kCodebookValue, int kScaleColumnsValue, bool kMinimumValue, bool kPacked>
struct Kind {
  static constexpr int kStoredBits = kPacked ? kBits : 8;
  static constexpr bool kCodebook = kPacked && kCodebookValue;
  static constexpr int kScaleColumns = kScaleColumnsValue;
  static constexpr bool kMinimum = kMinimumValue;
  static constexpr int kRows = 3;

  template <int kTaken, int kFirst, int kCount>
  LAZYLLM_SIMD_INLINE static void add_steps(__m256i (&dots)[kTaken][kHalves],
                                            const uint8_t* weights, const int8_t* quants) {
    __m256i w[kHalves];
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      w[h] = load_step<kStoredBits, kCodebook, kFirst>(weights + h * kHalfBytes);
    }
    LAZYLLM_UNROLL
    for (int r = 0; r < kTaken; ++r) {
      const __m256i a = broadcast(quants + (kFirst * kPanelRows + r) * 4);
      LAZYLLM_UNROLL
      for (int h = 0; h < kHalves; ++h) dots[r][h] = _mm256_dpbusd_avx_epi32(dots[r][h], w[h], a);
    }
    if constexpr (kCount > 1) add_steps<kTaken, kFirst + 1, kCount - 1>(dots, weights, quants);
  }
};

}  // namespace
}  // namespace lazyllm::kernels::cpu::avx2

namespace lazyllm::kernels::cpu {

const MatmulKernels& avx_vnni_matmul_kernels() {
  static constexpr MatmulKernels kKernels = avx2::with_integer_products(
      avx2::panel_kernel<avx2::Kind>, avx2::direct_kernel<avx2::Kind>, "int8 AVX-VNNI");
  return kKernels;
}

}  // namespace lazyllm::kernels::cpu
