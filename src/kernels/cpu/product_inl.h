// SPDX-License-Identifier: Apache-2.0
// Included by attention_inl.h, after simd_<isa>.h, with LAZYLLM_ISA set.
#pragma once

#include "kernels/cpu/unroll.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

/// One register tile of c (+)= a * b. The sum over `depth` is sequential for every
/// element, so that the tile's shape has no influence on the bits.
template <int kRows, int kVectors, bool kAccumulate>
LAZYLLM_SIMD_INLINE void product_tile(const float* a, int64_t a_stride, const float* b,
                                      int64_t b_stride, int depth, float* c, int64_t c_stride) {
  Vec sums[kRows][kVectors];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      sums[r][j] = kAccumulate ? load(c + r * c_stride + j * kWidth) : zero();
    }
  }
  for (int k = 0; k < depth; ++k) {
    Vec columns[kVectors];
    LAZYLLM_UNROLL
    for (int j = 0; j < kVectors; ++j) columns[j] = load(b + k * b_stride + j * kWidth);
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const Vec x = broadcast(a[r * a_stride + k]);
      LAZYLLM_UNROLL
      for (int j = 0; j < kVectors; ++j) sums[r][j] = multiply_add(x, columns[j], sums[r][j]);
    }
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int j = 0; j < kVectors; ++j) store(c + r * c_stride + j * kWidth, sums[r][j]);
  }
}

template <int kRows, bool kAccumulate>
[[gnu::noinline]] void product_rows(const float* a, int64_t a_stride, const float* b,
                                    int64_t b_stride, int depth, int vectors, float* c,
                                    int64_t c_stride) {
  int j = 0;
  for (; j + kTileVectors <= vectors; j += kTileVectors) {
    product_tile<kRows, kTileVectors, kAccumulate>(a, a_stride, b + j * kWidth, b_stride, depth,
                                                   c + j * kWidth, c_stride);
  }
  if constexpr (kTileVectors > 2) {
    if (j + 2 <= vectors) {
      product_tile<kRows, 2, kAccumulate>(a, a_stride, b + j * kWidth, b_stride, depth,
                                          c + j * kWidth, c_stride);
      j += 2;
    }
  }
  for (; j < vectors; ++j) {
    product_tile<kRows, 1, kAccumulate>(a, a_stride, b + j * kWidth, b_stride, depth,
                                        c + j * kWidth, c_stride);
  }
}

/// c (+)= a * b: a [rows][depth], b [depth][vectors * kWidth], c [rows][vectors * kWidth];
/// 1 <= rows <= kTileRows.
template <bool kAccumulate>
LAZYLLM_SIMD_INLINE void product(int rows, const float* a, int64_t a_stride, const float* b,
                                 int64_t b_stride, int depth, int vectors, float* c,
                                 int64_t c_stride) {
  switch (rows) {
    case 1:
      return product_rows<1, kAccumulate>(a, a_stride, b, b_stride, depth, vectors, c, c_stride);
    case 2:
      return product_rows<2, kAccumulate>(a, a_stride, b, b_stride, depth, vectors, c, c_stride);
    case 3:
      return product_rows<3, kAccumulate>(a, a_stride, b, b_stride, depth, vectors, c, c_stride);
    case 4:
      return product_rows<4, kAccumulate>(a, a_stride, b, b_stride, depth, vectors, c, c_stride);
    case 5:
      if constexpr (kTileRows >= 5) {
        product_rows<5, kAccumulate>(a, a_stride, b, b_stride, depth, vectors, c, c_stride);
      }
      return;
    default:
      if constexpr (kTileRows >= 6) {
        product_rows<6, kAccumulate>(a, a_stride, b, b_stride, depth, vectors, c, c_stride);
      }
      return;
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
