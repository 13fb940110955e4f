// SPDX-License-Identifier: Apache-2.0
// The integer products with AVX2. vpmaddubsw sums pairs of products in 16 bits and would
// saturate for wide weight quants, so how many steps may be added before widening to 32
// bits depends on the bits of the quants; 8-bit quants are multiplied as 16-bit numbers.
#include <immintrin.h>

#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/matmul_parts_avx2.h"
#include "kernels/cpu/quant_planes_avx2.h"

namespace lazyllm::kernels::cpu {
namespace {

LAZYLLM_INLINE __m256i broadcast(const int8_t* four) {
  int32_t bits;
  __builtin_memcpy(&bits, four, 4);
  return _mm256_set1_epi32(bits);
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
  /// Rows at once, so that sums, dots and weights fit into 16 registers.
  static constexpr int kRows = kQuantBits == 8 ? 2 : 3;
};

/// narrow += pair sums of a step.
template <typename K, int kRows, int kStep>
LAZYLLM_INLINE void add_narrow_step(__m256i (&narrow)[kRows][kHalves], const uint8_t* weights,
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
LAZYLLM_INLINE void add_narrow(__m256i (&dots)[kRows][kHalves], const uint8_t* weights,
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
LAZYLLM_INLINE void add_wide_step(__m256i (&dots)[kRows][kHalves], const uint8_t* weights,
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

template <typename K, int kRows, int kFirst>
LAZYLLM_INLINE void add_four_steps(__m256i (&dots)[kRows][kHalves], const uint8_t* weights,
                                   const int8_t* quants) {
  if constexpr (K::kQuantBits == 8) {
    add_wide_step<K, kRows, kFirst>(dots, weights, quants);
    add_wide_step<K, kRows, kFirst + 1>(dots, weights, quants);
    add_wide_step<K, kRows, kFirst + 2>(dots, weights, quants);
    add_wide_step<K, kRows, kFirst + 3>(dots, weights, quants);
  } else if constexpr (K::kNarrowSteps >= 4) {
    add_narrow<K, kRows, kFirst, 4>(dots, weights, quants);
  } else {
    add_narrow<K, kRows, kFirst, 2>(dots, weights, quants);
    add_narrow<K, kRows, kFirst + 2, 2>(dots, weights, quants);
  }
}

template <typename K, int kRows>
LAZYLLM_INLINE void start_dots(__m256i (&dots)[kRows][kHalves], const int32_t* extras) {
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      dots[r][h] = K::kMinimum ? _mm256_setzero_si256() : _mm256_set1_epi32(extras[r]);
    }
  }
}

template <typename K, int kRows>
LAZYLLM_INLINE void scale_dots(const __m256i (&dots)[kRows][kHalves], const float* scales,
                               const int32_t* extras, const float* weight_scales,
                               const float* minimums, __m256 (&sums)[kRows][kHalves]) {
  LAZYLLM_UNROLL
  for (int h = 0; h < kHalves; ++h) {
    const __m256 weight_scale = _mm256_loadu_ps(weight_scales + 8 * h);
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m256 scale = _mm256_mul_ps(weight_scale, _mm256_broadcast_ss(scales + r));
      sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][h]), scale, sums[r][h]);
      if constexpr (K::kMinimum) {
        const __m256 scaled_sum = _mm256_castsi256_ps(_mm256_set1_epi32(extras[r]));
        sums[r][h] = _mm256_fmadd_ps(scaled_sum, _mm256_loadu_ps(minimums + 8 * h), sums[r][h]);
      }
    }
  }
}

/// kRows rows from first_row on, one tile.
template <typename K, int kRows>
void multiply_rows(const QuantProduct& p, int first_row, int tile) {
  float* out = p.sums + first_row * p.sums_stride + tile * kTileOutputs;
  __m256 sums[kRows][kHalves];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      sums[r][h] = p.first ? _mm256_setzero_ps() : _mm256_loadu_ps(out + r * p.sums_stride + 8 * h);
    }
  }
  const int64_t width = int64_t{p.tiles} * kTileOutputs;
  const int8_t* quants = p.quants + first_row * 4;
  const float* scales = p.scales + first_row;
  const auto* extras = static_cast<const int32_t*>(p.extras) + first_row;
  const uint8_t* weights = p.weights + tile * kGroupValues;
  const float* weight_scales = p.weight_scales + tile * kTileOutputs;
  const float* minimums = p.weight_minimums + tile * kTileOutputs;
  for (int64_t g = 0; g < p.groups; ++g) {
    __m256i dots[kRows][kHalves];
    start_dots<K, kRows>(dots, extras);
    if constexpr (K::kScaleColumns == 32 && K::kNarrowSteps == 8 && K::kQuantBits != 8) {
      add_narrow<K, kRows, 0, 8>(dots, weights, quants);
    } else {
      add_four_steps<K, kRows, 0>(dots, weights, quants);
      if constexpr (K::kScaleColumns == 16) {
        scale_dots<K, kRows>(dots, scales, extras, weight_scales, minimums, sums);
        extras += kPanelRows;
        weight_scales += width;
        minimums += width;
        start_dots<K, kRows>(dots, extras);
      }
      add_four_steps<K, kRows, 4>(dots, weights, quants);
    }
    scale_dots<K, kRows>(dots, scales, extras, weight_scales, minimums, sums);
    quants += kActivationGroupBytes;
    scales += kPanelRows;
    extras += kPanelRows;
    weights += int64_t{p.tiles} * kStepBytes * K::kStoredBits;
    weight_scales += width;
    minimums += width;
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      _mm256_storeu_ps(out + r * p.sums_stride + 8 * h, sums[r][h]);
    }
  }
}

template <typename K>
void multiply(const QuantProduct& p) {
  for (int tile = 0; tile < p.tiles; ++tile) {
    int row = 0;
    for (; row + K::kRows <= p.rows; row += K::kRows) multiply_rows<K, K::kRows>(p, row, tile);
    if (p.rows - row == 2) multiply_rows<K, 2>(p, row, tile);
    if (p.rows - row == 1) multiply_rows<K, 1>(p, row, tile);
  }
}

template <bool kPacked>
QuantKernel kernel(const PackedFormat& f) {
  switch (f.bits) {
    case 2:
      return multiply<Kind<2, false, 16, true, kPacked>>;
    case 3:
      return multiply<Kind<3, false, 16, false, kPacked>>;
    case 5:
      return f.minimum ? multiply<Kind<5, false, 32, true, kPacked>>
                       : multiply<Kind<5, false, 32, false, kPacked>>;
    case 6:
      return multiply<Kind<6, false, 16, false, kPacked>>;
    case 8:
      return multiply<Kind<8, false, 32, false, kPacked>>;
    default:
      break;
  }
  if (f.codebook) return multiply<Kind<4, true, 32, false, kPacked>>;
  return f.minimum ? multiply<Kind<4, false, 32, true, kPacked>>
                   : multiply<Kind<4, false, 32, false, kPacked>>;
}

QuantKernel panel_kernel(const PackedFormat& f, int, int) {
  return kernel<false>(f);
}
QuantKernel direct_kernel(const PackedFormat& f, int) {
  return kernel<true>(f);
}

}  // namespace

const MatmulKernels& avx2_matmul_kernels() {
  static constexpr MatmulKernels kKernels = {avx2::quantize_panel,
                                             avx2::decode_scales,
                                             avx2::unpack_quants,
                                             avx2::unpack_floats,
                                             panel_kernel,
                                             direct_kernel,
                                             avx2::float_panel_kernel,
                                             avx2::float_direct_kernel,
                                             kGroupValues,
                                             "int8 AVX2"};
  return kKernels;
}

}  // namespace lazyllm::kernels::cpu
