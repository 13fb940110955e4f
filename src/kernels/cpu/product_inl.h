// SPDX-License-Identifier: Apache-2.0
// Included by attention_inl.h and attention_avx512bf16.cpp, after simd_<isa>.h, with LAZYLLM_ISA
// set.
#pragma once

#include "kernels/cpu/unroll.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

// The forms in which a product takes its left-hand matrix: row r's element k in every place of a
// vector, and how it is multiplied; and its right-hand matrix: vector j of row k.

struct FloatLanes {
  const float* data;
  int64_t stride;
  LAZYLLM_SIMD_INLINE Vec operator()(int r, int k) const { return broadcast(data[r * stride + k]); }
  LAZYLLM_SIMD_INLINE static Vec add_product(Vec x, Vec column, Vec sum) {
    return multiply_add(x, column, sum);
  }
};

struct FloatMatrix {
  const float* data;
  int64_t stride;
  LAZYLLM_SIMD_INLINE Vec operator()(int k, int j) const {
    return load(data + k * stride + j * kWidth);
  }
};

struct HalfMatrix {
  const uint16_t* data;
  int64_t stride;
  LAZYLLM_SIMD_INLINE Vec operator()(int k, int j) const {
    return load_f16(data + k * stride + j * kWidth);
  }
};

/// Rows of halves wherever they lie.
struct HalfRowList {
  const std::byte* const* rows;
  LAZYLLM_SIMD_INLINE Vec operator()(int k, int j) const {
    return load_f16(reinterpret_cast<const uint16_t*>(rows[k]) + j * kWidth);
  }
};

/// One register tile of c (+)= a * b, from vector `first` of b and c on. The sum over `depth`
/// is sequential for every element, so that the tile's shape has no influence on the bits.
template <int kRows, int kVectors, bool kAccumulate, typename Lanes, typename Matrix>
LAZYLLM_SIMD_INLINE void product_tile(const Lanes& a, const Matrix& b, int first, int depth,
                                      float* c, int64_t c_stride) {
  c += first * kWidth;
  Vec sums[kRows][kVectors];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      sums[r][j] = kAccumulate ? load(c + r * c_stride + j * kWidth) : zero();
    }
  }
  for (int k = 0; k < depth; ++k) {
    decltype(b(0, 0)) columns[kVectors];
    LAZYLLM_UNROLL
    for (int j = 0; j < kVectors; ++j) columns[j] = b(k, first + j);
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const auto x = a(r, k);
      LAZYLLM_UNROLL
      for (int j = 0; j < kVectors; ++j) sums[r][j] = Lanes::add_product(x, columns[j], sums[r][j]);
    }
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int j = 0; j < kVectors; ++j) store(c + r * c_stride + j * kWidth, sums[r][j]);
  }
}

template <int kRows, bool kAccumulate, typename Lanes, typename Matrix>
[[gnu::noinline]] void product_rows(const Lanes& a, const Matrix& b, int depth, int vectors,
                                    float* c, int64_t c_stride) {
  int j = 0;
  for (; j + kTileVectors <= vectors; j += kTileVectors) {
    product_tile<kRows, kTileVectors, kAccumulate>(a, b, j, depth, c, c_stride);
  }
  if constexpr (kTileVectors > 2) {
    if (j + 2 <= vectors) {
      product_tile<kRows, 2, kAccumulate>(a, b, j, depth, c, c_stride);
      j += 2;
    }
  }
  for (; j < vectors; ++j) {
    product_tile<kRows, 1, kAccumulate>(a, b, j, depth, c, c_stride);
  }
}

/// c (+)= a * b: a [rows][depth], b [depth][vectors * kWidth], c [rows][vectors * kWidth];
/// 1 <= rows <= kTileRows.
template <bool kAccumulate, typename Lanes, typename Matrix>
LAZYLLM_SIMD_INLINE void product(int rows, const Lanes& a, const Matrix& b, int depth, int vectors,
                                 float* c, int64_t c_stride) {
  switch (rows) {
    case 1:
      return product_rows<1, kAccumulate>(a, b, depth, vectors, c, c_stride);
    case 2:
      return product_rows<2, kAccumulate>(a, b, depth, vectors, c, c_stride);
    case 3:
      return product_rows<3, kAccumulate>(a, b, depth, vectors, c, c_stride);
    case 4:
      return product_rows<4, kAccumulate>(a, b, depth, vectors, c, c_stride);
    case 5:
      if constexpr (kTileRows >= 5) {
        product_rows<5, kAccumulate>(a, b, depth, vectors, c, c_stride);
      }
      return;
    default:
      if constexpr (kTileRows >= 6) {
        product_rows<6, kAccumulate>(a, b, depth, vectors, c, c_stride);
      }
      return;
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
