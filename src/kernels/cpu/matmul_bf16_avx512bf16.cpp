// SPDX-License-Identifier: Apache-2.0
// Products of BF16 weights with activations rounded to BF16, with AVX-512 BF16: vdpbf16ps
// multiplies the two columns of a pair for each of 16 outputs and adds both to the sum.
#include <immintrin.h>

#include "kernels/cpu/simd_avx512.h"
#define LAZYLLM_ISA avx512
#include "kernels/cpu/matmul_parts_inl.h"

namespace lazyllm::kernels::cpu::avx512 {
namespace {

constexpr int kPairBytes = kTileOutputs * 4;  // two columns of a tile

/// Two columns of a tile, [2][16], as [16][2].
LAZYLLM_SIMD_INLINE __m512i interleave(__m512i columns) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), columns);
}

/// The columns 2 * pair and 2 * pair + 1 of a packed tile; a column that is not there is 0.
LAZYLLM_SIMD_INLINE __m512i load_pair(const std::byte* values, int64_t pair, int64_t columns) {
  const std::byte* at = values + pair * kPairBytes;
  if (2 * pair + 1 < columns) return interleave(_mm512_loadu_si512(at));
  return interleave(
      _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))));
}

/// Rounds to nearest even as a vector, so that NaN stays NaN and infinity stays infinity.
LAZYLLM_SIMD_INLINE __m256i round_values(__m512 values) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values));
}

LAZYLLM_SIMD_INLINE void add_pair(__m512& sum, __m512i weights, const uint16_t* in) {
  int32_t bits;
  __builtin_memcpy(&bits, in, sizeof bits);
  sum = _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weights),
                         reinterpret_cast<__m512bh>(_mm512_set1_epi32(bits)));
}

/// kDirect: weights are a packed tile (kTiles is 1), not an unpacked panel.
template <int kRows, int kTiles, bool kDirect>
void multiply(const Bf16Product& p) {
  __m512 sums[kRows][kTiles];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      sums[r][t] = p.first ? _mm512_setzero_ps()
                           : _mm512_loadu_ps(p.sums + r * p.sums_stride + t * kTileOutputs);
    }
  }
  const uint16_t* in = p.in;
  const auto* weights = static_cast<const std::byte*>(p.weights);
  const int64_t pairs = (p.columns + 1) / 2;
  for (int64_t k = 0; k < pairs; ++k) {
    __m512i w[kTiles];
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      w[t] = kDirect ? load_pair(weights, k, p.columns)
                     : _mm512_loadu_si512(weights + (k * kTiles + t) * kPairBytes);
    }
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      LAZYLLM_UNROLL
      for (int t = 0; t < kTiles; ++t) add_pair(sums[r][t], w[t], in + 2 * r);
    }
    in += 2 * kPanelRows;
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      _mm512_storeu_ps(p.sums + r * p.sums_stride + t * kTileOutputs, sums[r][t]);
    }
  }
}

template <int kTiles, bool kDirect>
Bf16Kernel of_rows(int rows) {
  static constexpr Bf16Kernel kKernels[kPanelRows] = {
      multiply<1, kTiles, kDirect>, multiply<2, kTiles, kDirect>, multiply<3, kTiles, kDirect>,
      multiply<4, kTiles, kDirect>, multiply<5, kTiles, kDirect>, multiply<6, kTiles, kDirect>};
  return kKernels[rows - 1];
}

void round_panel(const float* in, int64_t in_stride, int rows, int64_t columns, uint16_t* out) {
  for (int64_t k = 0; k < columns; k += 16) {
    const int64_t left = columns - k;
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xffff : (1 << left) - 1);
    const int64_t pairs = left >= 16 ? 8 : (left + 1) / 2;
    uint16_t* to = out + k * kPanelRows;
    for (int r = 0; r < rows; ++r) {
      alignas(32) uint32_t rounded[8];
      _mm256_store_si256(reinterpret_cast<__m256i*>(rounded),
                         round_values(_mm512_maskz_loadu_ps(mask, in + r * in_stride + k)));
      for (int64_t pair = 0; pair < pairs; ++pair) {
        __builtin_memcpy(to + 2 * (pair * kPanelRows + r), &rounded[pair], sizeof(uint32_t));
      }
    }
  }
}

void unpack(const std::byte* values, int64_t columns, uint16_t* out, int64_t stride) {
  for (int64_t k = 0; k < (columns + 1) / 2; ++k) {
    _mm512_storeu_si512(out + k * stride, load_pair(values, k, columns));
  }
}

Bf16Kernel panel_kernel(int rows, int tiles) {
  switch (tiles) {
    case 1:
      return of_rows<1, false>(rows);
    case 2:
      return of_rows<2, false>(rows);
    case 3:
      return of_rows<3, false>(rows);
    default:
      return of_rows<4, false>(rows);
  }
}

Bf16Kernel direct_kernel(int rows) {
  return of_rows<1, true>(rows);
}

}  // namespace

constinit const Bf16Kernels kBf16Kernels = {round_panel, unpack, panel_kernel, direct_kernel};

}  // namespace lazyllm::kernels::cpu::avx512
