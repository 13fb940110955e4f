// SPDX-License-Identifier: Apache-2.0
// The integer products with AVX-512 VNNI: vpdpbusd multiplies 4 unsigned weight quants of
// each of 16 outputs with 4 signed activation quants of one row. 6 rows x 32 outputs keep
// 12 integer and 12 float accumulators in registers.
#include <immintrin.h>

#include "kernels/cpu/simd_avx512.h"
#define LAZYLLM_ISA avx512
#include "kernels/cpu/matmul_parts_inl.h"
#include "kernels/cpu/quant_planes_inl.h"

namespace lazyllm::kernels::cpu::avx512 {
namespace {

/// dots += weights * the four quants at `quants`, broadcast inside the instruction.
LAZYLLM_SIMD_INLINE void add_broadcast(__m512i& dots, __m512i weights, const int8_t* quants) {
  struct Four {
    int8_t values[4];
  };
  asm("vpdpbusd %2%{1to16%}, %1, %0"
      : "+v"(dots)
      : "v"(weights), "m"(*reinterpret_cast<const Four*>(quants)));
}

LAZYLLM_SIMD_INLINE __m512i broadcast(const int8_t* four) {
  int32_t bits;
  __builtin_memcpy(&bits, four, 4);
  return _mm512_set1_epi32(bits);
}

// With two tiles a row's quants are used twice. One load for both costs an instruction,
// two embedded ones cost a load: half of the rows each way balances the two limits.
constexpr int kBroadcastRows = 3;

template <int kBits, bool kCodebook, int kRows, int kTiles, int kStep>
LAZYLLM_SIMD_INLINE void add_step(__m512i (&dots)[kRows][kTiles], const uint8_t* weights,
                                  const int8_t* quants) {
  __m512i w[kTiles];
  LAZYLLM_UNROLL
  for (int t = 0; t < kTiles; ++t) {
    w[t] = load_step<kBits, kCodebook, kStep>(weights + t * kGroupValues);
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const int8_t* four = quants + (kStep * kPanelRows + r) * 4;
    if (kTiles == 1 || r >= kBroadcastRows) {
      LAZYLLM_UNROLL
      for (int t = 0; t < kTiles; ++t) add_broadcast(dots[r][t], w[t], four);
    } else {
      const __m512i a = broadcast(four);
      LAZYLLM_UNROLL
      for (int t = 0; t < kTiles; ++t) dots[r][t] = _mm512_dpbusd_epi32(dots[r][t], w[t], a);
    }
  }
}

/// The k-steps [kFirst, kFirst + 4).
template <int kBits, bool kCodebook, int kRows, int kTiles, int kFirst>
LAZYLLM_SIMD_INLINE void add_four_steps(__m512i (&dots)[kRows][kTiles], const uint8_t* weights,
                                        const int8_t* quants) {
  add_step<kBits, kCodebook, kRows, kTiles, kFirst>(dots, weights, quants);
  add_step<kBits, kCodebook, kRows, kTiles, kFirst + 1>(dots, weights, quants);
  add_step<kBits, kCodebook, kRows, kTiles, kFirst + 2>(dots, weights, quants);
  add_step<kBits, kCodebook, kRows, kTiles, kFirst + 3>(dots, weights, quants);
}

template <int kRows, int kTiles, bool kMinimum>
LAZYLLM_SIMD_INLINE void start_dots(__m512i (&dots)[kRows][kTiles], const void* extras) {
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      dots[r][t] = kMinimum ? _mm512_setzero_si512()
                            : _mm512_set1_epi32(static_cast<const int32_t*>(extras)[r]);
    }
  }
}

template <int kRows, int kTiles, bool kMinimum>
LAZYLLM_SIMD_INLINE void scale_dots(const __m512i (&dots)[kRows][kTiles], const float* scales,
                                    const void* extras, const float* weight_scales,
                                    const float* minimums, __m512 (&sums)[kRows][kTiles]) {
  LAZYLLM_UNROLL
  for (int t = 0; t < kTiles; ++t) {
    const __m512 weight_scale = _mm512_loadu_ps(weight_scales + t * kTileOutputs);
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m512 scale = _mm512_mul_ps(weight_scale, _mm512_set1_ps(scales[r]));
      sums[r][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][t]), scale, sums[r][t]);
    }
    if constexpr (kMinimum) {
      const __m512 minimum = _mm512_loadu_ps(minimums + t * kTileOutputs);
      LAZYLLM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const __m512 scaled_sum = _mm512_set1_ps(static_cast<const float*>(extras)[r]);
        sums[r][t] = _mm512_fmadd_ps(scaled_sum, minimum, sums[r][t]);
      }
    }
  }
}

template <int kBits, bool kCodebook, int kScaleColumns, bool kMinimum, int kRows, int kTiles>
void multiply(const QuantProduct& p) {
  __m512 sums[kRows][kTiles];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      sums[r][t] = p.first ? _mm512_setzero_ps()
                           : _mm512_loadu_ps(p.sums + r * p.sums_stride + t * kTileOutputs);
    }
  }
  const int8_t* quants = p.quants;
  const float* scales = p.scales;
  const auto* extras = static_cast<const int32_t*>(p.extras);
  const uint8_t* weights = p.weights;
  const float* weight_scales = p.weight_scales;
  const float* minimums = p.weight_minimums;
  for (int64_t g = 0; g < p.groups; ++g) {
    __m512i dots[kRows][kTiles];
    if (kBits != 8 && p.prefetch_bytes != 0) {
      LAZYLLM_UNROLL
      for (int i = 0; i < kBits; ++i) {
        __builtin_prefetch(weights + p.prefetch_bytes + i * kStepBytes);
      }
    }
    start_dots<kRows, kTiles, kMinimum>(dots, extras);
    add_four_steps<kBits, kCodebook, kRows, kTiles, 0>(dots, weights, quants);
    if constexpr (kScaleColumns == 16) {
      scale_dots<kRows, kTiles, kMinimum>(dots, scales, extras, weight_scales, minimums, sums);
      extras += kPanelRows;
      weight_scales += kTiles * kTileOutputs;
      minimums += kTiles * kTileOutputs;
      start_dots<kRows, kTiles, kMinimum>(dots, extras);
    }
    add_four_steps<kBits, kCodebook, kRows, kTiles, 4>(dots, weights, quants);
    scale_dots<kRows, kTiles, kMinimum>(dots, scales, extras, weight_scales, minimums, sums);
    quants += kActivationGroupBytes;
    scales += kPanelRows;
    extras += kPanelRows;
    weights += kTiles * kStepBytes * kBits;
    weight_scales += kTiles * kTileOutputs;
    minimums += kTiles * kTileOutputs;
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      _mm512_storeu_ps(p.sums + r * p.sums_stride + t * kTileOutputs, sums[r][t]);
    }
  }
}

template <int kBits, bool kCodebook, int kScaleColumns, bool kMinimum, int kTiles>
QuantKernel of_rows(int rows) {
  static constexpr QuantKernel kKernels[kPanelRows] = {
      multiply<kBits, kCodebook, kScaleColumns, kMinimum, 1, kTiles>,
      multiply<kBits, kCodebook, kScaleColumns, kMinimum, 2, kTiles>,
      multiply<kBits, kCodebook, kScaleColumns, kMinimum, 3, kTiles>,
      multiply<kBits, kCodebook, kScaleColumns, kMinimum, 4, kTiles>,
      multiply<kBits, kCodebook, kScaleColumns, kMinimum, 5, kTiles>,
      multiply<kBits, kCodebook, kScaleColumns, kMinimum, 6, kTiles>};
  return kKernels[rows - 1];
}

template <int kTiles>
QuantKernel panel_of_tiles(const PackedFormat& f, int rows) {
  if (f.scale_columns == 16) {
    return f.minimum ? of_rows<8, false, 16, true, kTiles>(rows)
                     : of_rows<8, false, 16, false, kTiles>(rows);
  }
  return f.minimum ? of_rows<8, false, 32, true, kTiles>(rows)
                   : of_rows<8, false, 32, false, kTiles>(rows);
}

QuantKernel panel_kernel(const PackedFormat& f, int rows, int tiles) {
  return tiles == 1 ? panel_of_tiles<1>(f, rows) : panel_of_tiles<2>(f, rows);
}

QuantKernel direct_kernel(const PackedFormat& f, int rows) {
  switch (f.bits) {
    case 2:
      return of_rows<2, false, 16, true, 1>(rows);
    case 3:
      return of_rows<3, false, 16, false, 1>(rows);
    case 5:
      return f.minimum ? of_rows<5, false, 32, true, 1>(rows)
                       : of_rows<5, false, 32, false, 1>(rows);
    case 6:
      return of_rows<6, false, 16, false, 1>(rows);
    case 8:
      return of_rows<8, false, 32, false, 1>(rows);
    default:
      break;
  }
  if (f.codebook) return of_rows<4, true, 32, false, 1>(rows);
  return f.minimum ? of_rows<4, false, 32, true, 1>(rows) : of_rows<4, false, 32, false, 1>(rows);
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::avx512

namespace lazyllm::kernels::cpu {

const MatmulKernels& avx512_matmul_kernels() {
  static constexpr MatmulKernels kKernels =
      avx512::with_integer_products(avx512::panel_kernel, avx512::direct_kernel, "int8 VNNI");
  return kKernels;
}

const MatmulKernels& avx512_bf16_matmul_kernels() {
  static constexpr MatmulKernels kKernels = avx512::with_integer_products(
      avx512::panel_kernel, avx512::direct_kernel, "int8 VNNI", &avx512::kBf16Kernels);
  return kKernels;
}

}  // namespace lazyllm::kernels::cpu
