// SPDX-License-Identifier: Apache-2.0
// The integer products with AVX2. vpmaddubsw sums pairs of products in 16 bits and would
// saturate for wide weight quants, so how many steps may be added before widening to 32
// bits depends on the bits of the quants; 8-bit quants are multiplied as 16-bit numbers.
#include <immintrin.h>

#include "kernels/cpu/simd_avx2.h"
#define LAZYLLM_ISA avx2
#include "kernels/cpu/matmul_parts_inl.h"
#include "kernels/cpu/quant_product_avx2.h"

namespace lazyllm::kernels::cpu::avx2 {
namespace {

/// narrow += pair sums of a step.
template <typename K, int kRows, int kStep>
LAZYLLM_SIMD_INLINE void add_narrow_step(__m256i (&narrow)[kRows][kHalves], const uint8_t* weights,
                                         const int8_t* quants) {
  __m256i w[kHalves];
  LAZYLLM_UNROLL
  for (int h = 0; h < kHalves; ++h) {
    w[h] = load_step<K::kStoredBits, K::kCodebook, kStep>(weights + h * kHalfBytes);
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const __m256i a = broadcast(quants + (kStep * kPanelRows + r) * 4);
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      narrow[r][h] = _mm256_add_epi16(narrow[r][h], _mm256_maddubs_epi16(w[h], a));
    }
  }
}

/// dots += the steps [kFirst, kFirst + kCount), at most K::kNarrowSteps of them.
template <typename K, int kRows, int kFirst, int kCount>
LAZYLLM_SIMD_INLINE void add_narrow(__m256i (&dots)[kRows][kHalves], const uint8_t* weights,
                                    const int8_t* quants) {
  __m256i narrow[kRows][kHalves];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) narrow[r][h] = _mm256_setzero_si256();
  }
  add_narrow_step<K, kRows, kFirst>(narrow, weights, quants);
  add_narrow_step<K, kRows, kFirst + 1>(narrow, weights, quants);
  if constexpr (kCount >= 4) {
    add_narrow_step<K, kRows, kFirst + 2>(narrow, weights, quants);
    add_narrow_step<K, kRows, kFirst + 3>(narrow, weights, quants);
  }
  if constexpr (kCount == 8) {
    add_narrow_step<K, kRows, kFirst + 4>(narrow, weights, quants);
    add_narrow_step<K, kRows, kFirst + 5>(narrow, weights, quants);
    add_narrow_step<K, kRows, kFirst + 6>(narrow, weights, quants);
    add_narrow_step<K, kRows, kFirst + 7>(narrow, weights, quants);
  }
  const __m256i ones = _mm256_set1_epi16(1);
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      dots[r][h] = _mm256_add_epi32(dots[r][h], _mm256_madd_epi16(narrow[r][h], ones));
    }
  }
}

/// dots += one step of 8-bit quants: even and odd columns as 16-bit numbers.
template <typename K, int kRows, int kStep>
LAZYLLM_SIMD_INLINE void add_wide_step(__m256i (&dots)[kRows][kHalves], const uint8_t* weights,
                                       const int8_t* quants) {
  __m256i even[kHalves];
  __m256i odd[kHalves];
  LAZYLLM_UNROLL
  for (int h = 0; h < kHalves; ++h) {
    const __m256i w = load_step<K::kStoredBits, K::kCodebook, kStep>(weights + h * kHalfBytes);
    even[h] = _mm256_and_si256(w, _mm256_set1_epi16(255));
    odd[h] = _mm256_srli_epi16(w, 8);
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const __m256i a = broadcast(quants + (kStep * kPanelRows + r) * 4);
    const __m256i a_even = _mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8);
    const __m256i a_odd = _mm256_srai_epi16(a, 8);
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      const __m256i pair =
          _mm256_add_epi32(_mm256_madd_epi16(even[h], a_even), _mm256_madd_epi16(odd[h], a_odd));
      dots[r][h] = _mm256_add_epi32(dots[r][h], pair);
    }
  }
}

/// What a kernel works on. kQuantBits: of the quants' values, 8 for codebooks;
/// kPacked: they stand in planes, not one per byte.
template <int kBitsValue, bool kCodebookValue, int kScaleColumnsValue, bool kMinimumValue,
          bool kPackedValue>
struct Kind {
  static constexpr int kQuantBits = kCodebookValue ? 8 : kBitsValue;
  static constexpr int kStoredBits = kPackedValue ? kBitsValue : 8;
  static constexpr bool kCodebook = kPackedValue && kCodebookValue;
  static constexpr int kScaleColumns = kScaleColumnsValue;
  static constexpr bool kMinimum = kMinimumValue;
  /// Steps whose pair sums fit into 16 bits: 8 * 2 * 15 * 127 < 2^15, and so on.
  static constexpr int kNarrowSteps = kQuantBits <= 4 ? 8 : kQuantBits == 5 ? 4 : 2;
  static constexpr int kRows = kQuantBits == 8 ? 2 : 3;

  template <int kTaken, int kFirst, int kCount>
  LAZYLLM_SIMD_INLINE static void add_steps(__m256i (&dots)[kTaken][kHalves],
                                            const uint8_t* weights, const int8_t* quants) {
    if constexpr (kQuantBits != 8 && kCount <= kNarrowSteps) {
      add_narrow<Kind, kTaken, kFirst, kCount>(dots, weights, quants);
    } else if constexpr (kQuantBits == 8 && kCount == 1) {
      add_wide_step<Kind, kTaken, kFirst>(dots, weights, quants);
    } else {
      add_steps<kTaken, kFirst, kCount / 2>(dots, weights, quants);
      add_steps<kTaken, kFirst + kCount / 2, kCount / 2>(dots, weights, quants);
    }
  }
};

}  // namespace
}  // namespace lazyllm::kernels::cpu::avx2

namespace lazyllm::kernels::cpu {

const MatmulKernels& avx2_matmul_kernels() {
  static constexpr MatmulKernels kKernels = avx2::with_integer_products(
      avx2::panel_kernel<avx2::Kind>, avx2::direct_kernel<avx2::Kind>, "int8 AVX2");
  return kKernels;
}

}  // namespace lazyllm::kernels::cpu
