// SPDX-License-Identifier: Apache-2.0
// Products with float weights, and the scales of quantised ones, with AVX-512.
#include <immintrin.h>

#include "kernels/cpu/matmul_parts_avx512.h"

#if defined(__clang__)
#define LAZYLLM_UNROLL _Pragma("unroll")
#else
#define LAZYLLM_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lazyllm::kernels::cpu::avx512 {
namespace {

__m512 load_halves(const void* halves) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(halves)));
}

/// 16 values of the storage as float32.
template <StorageType kType>
__m512 load_values(const std::byte* values) {
  if constexpr (kType == StorageType::f32) {
    return _mm512_loadu_ps(values);
  } else if constexpr (kType == StorageType::f16) {
    return load_halves(values);
  } else {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
}

template <StorageType kType>
constexpr int kTileRowBytes = kTileOutputs*(kType == StorageType::f32 ? 4 : 2);

template <StorageType kType, int kRows, int kTiles>
void multiply(const FloatProduct& p) {
  __m512 sums[kRows][kTiles];
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      sums[r][t] = p.first ? _mm512_setzero_ps()
                           : _mm512_loadu_ps(p.sums + r * p.sums_stride + t * kTileOutputs);
    }
  }
  const float* in = p.in;
  const auto* weights = static_cast<const std::byte*>(p.weights);
  for (int64_t k = 0; k < p.columns; ++k) {
    __m512 w[kTiles];
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      w[t] = load_values<kType>(weights + t * kTileRowBytes<kType>);
    }
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const __m512 a = _mm512_set1_ps(in[r]);
      LAZYLLM_UNROLL
      for (int t = 0; t < kTiles; ++t) sums[r][t] = _mm512_fmadd_ps(a, w[t], sums[r][t]);
    }
    in += kPanelRows;
    weights += kTiles * kTileRowBytes<kType>;
  }
  LAZYLLM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LAZYLLM_UNROLL
    for (int t = 0; t < kTiles; ++t) {
      _mm512_storeu_ps(p.sums + r * p.sums_stride + t * kTileOutputs, sums[r][t]);
    }
  }
}

template <StorageType kType, int kTiles>
FloatKernel of_rows(int rows) {
  static constexpr FloatKernel kKernels[kPanelRows] = {
      multiply<kType, 1, kTiles>, multiply<kType, 2, kTiles>, multiply<kType, 3, kTiles>,
      multiply<kType, 4, kTiles>, multiply<kType, 5, kTiles>, multiply<kType, 6, kTiles>};
  return kKernels[rows - 1];
}

template <StorageType kType>
void widen(const std::byte* values, int64_t columns, float* out, int64_t stride) {
  for (int64_t k = 0; k < columns; ++k) {
    _mm512_storeu_ps(out + k * stride, load_values<kType>(values + k * kTileRowBytes<kType>));
  }
}

/// One small scale (or minimum) of a K-quant for 16 outputs.
__m512 small_floats(const uint8_t* bytes, bool is_signed) {
  const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(b) : _mm512_cvtepu8_epi32(b));
}

__m512 nibble_floats(const uint8_t* bytes, int shift) {
  const __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm512_cvtepi32_ps(
      _mm512_and_si512(_mm512_srl_epi32(b, _mm_cvtsi32_si128(shift)), _mm512_set1_epi32(15)));
}

}  // namespace

FloatKernel float_panel_kernel(int rows, int tiles) {
  return tiles == 1 ? of_rows<StorageType::f32, 1>(rows) : of_rows<StorageType::f32, 2>(rows);
}

FloatKernel float_direct_kernel(StorageType type, int rows) {
  switch (type) {
    case StorageType::f16:
      return of_rows<StorageType::f16, 1>(rows);
    case StorageType::bf16:
      return of_rows<StorageType::bf16, 1>(rows);
    default:
      return of_rows<StorageType::f32, 1>(rows);
  }
}

void unpack_floats(StorageType type, const std::byte* values, int64_t columns, float* out,
                   int64_t stride) {
  switch (type) {
    case StorageType::f16:
      return widen<StorageType::f16>(values, columns, out, stride);
    case StorageType::bf16:
      return widen<StorageType::bf16>(values, columns, out, stride);
    default:
      return widen<StorageType::f32>(values, columns, out, stride);
  }
}

void decode_scales(const PackedFormat& f, const uint8_t* base, int64_t first_group, int64_t groups,
                   float* scales, float* minimums, int64_t stride) {
  const int64_t halves = f.minimum ? 64 : 32;
  if (!f.super) {
    for (int64_t g = 0; g < groups; ++g) {
      const uint8_t* block = base + (first_group + g) * halves;
      _mm512_storeu_ps(scales + g * stride, load_halves(block));
      if (f.minimum) _mm512_storeu_ps(minimums + g * stride, load_halves(block + 32));
    }
    return;
  }
  const bool nibbles = f.bits == 2;
  const int64_t subgroups = kSuperColumns / f.scale_columns;
  const int64_t small_bytes = subgroups * kTileOutputs;
  const int64_t block_bytes = halves + small_bytes * (f.minimum && !nibbles ? 2 : 1);
  const __m512 sign = _mm512_set1_ps(-0.0f);
  for (int64_t block = 0; block < groups / kGroupSteps; ++block) {
    const uint8_t* b = base + (first_group / kGroupSteps + block) * block_bytes;
    const __m512 d = load_halves(b);
    // negated once instead of every product
    const __m512 dmin = f.minimum ? _mm512_xor_ps(load_halves(b + 32), sign) : d;
    for (int64_t s = 0; s < subgroups; ++s) {
      const int64_t to = (block * subgroups + s) * stride;
      const uint8_t* small = b + halves + s * kTileOutputs;
      const __m512 scale = nibbles ? nibble_floats(small, 0) : small_floats(small, true);
      _mm512_storeu_ps(scales + to, _mm512_mul_ps(d, scale));
      if (f.minimum) {
        const __m512 low =
            nibbles ? nibble_floats(small, 4) : small_floats(small + small_bytes, false);
        _mm512_storeu_ps(minimums + to, _mm512_mul_ps(dmin, low));
      }
    }
  }
}

}  // namespace lazyllm::kernels::cpu::avx512
