// SPDX-License-Identifier: Apache-2.0
#pragma once

// Integer products in vectors of 256 bits, but for how steps of 4 columns are added to the dots,
// which AVX2 and AVX-VNNI do differently. Only for their files: everything is local to the file
// that includes it.
//
// K, the kind of work, has kRows (rows at once, so that sums, dots and weights fit into 16
// registers), kScaleColumns, kMinimum, kStoredBits (of a quant where the weights stand) and
//   add_steps<kRows, kFirst, kCount>(dots, weights, quants): the steps [kFirst, kFirst + kCount).
#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/quant_planes_inl.h"

namespace lazyllm::kernels::cpu::avx2 {
namespace {

constexpr int kHalves = 2;      // a tile of 16 outputs is two vectors of 8
constexpr int kHalfBytes = 32;  // of a step

LAZYLLM_SIMD_INLINE __m256i broadcast(const int8_t* four) {
  int32_t bits;
  __builtin_memcpy(&bits, four, 4);
  return _mm256_set1_epi32(bits);
}

template <typename K, int kRows>
LAZYLLM_SIMD_INLINE void start_dots(__m256i (&dots)[kRows][kHalves], const int32_t* extras) {
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      dots[r][h] = K::kMinimum ? _mm256_setzero_si256() : _mm256_set1_epi32(extras[r]);
    }
  }
}

template <typename K, int kRows>
LAZYLLM_SIMD_INLINE void scale_dots(const __m256i (&dots)[kRows][kHalves], const float* scales,
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
    if constexpr (K::kScaleColumns == 32) {
      K::template add_steps<kRows, 0, 8>(dots, weights, quants);
    } else {
      K::template add_steps<kRows, 0, 4>(dots, weights, quants);
      scale_dots<K, kRows>(dots, scales, extras, weight_scales, minimums, sums);
      extras += kPanelRows;
      weight_scales += width;
      minimums += width;
      start_dots<K, kRows>(dots, extras);
      K::template add_steps<kRows, 4, 4>(dots, weights, quants);
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

/// The kernel of a format; kPacked: on weights in planes.
template <template <int, bool, int, bool, bool> typename Kind, bool kPacked>
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

template <template <int, bool, int, bool, bool> typename Kind>
QuantKernel panel_kernel(const PackedFormat& f, int, int) {
  return kernel<Kind, false>(f);
}
template <template <int, bool, int, bool, bool> typename Kind>
QuantKernel direct_kernel(const PackedFormat& f, int) {
  return kernel<Kind, true>(f);
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::avx2
