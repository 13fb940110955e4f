// SPDX-License-Identifier: Apache-2.0
// Products with float weights, and the scales of quantised ones, with AVX2.
#include <immintrin.h>

#include "kernels/cpu/matmul_parts_avx2.h"

#if defined(__clang__)
#define LAZYLLM_UNROLL _Pragma("unroll")
#else
#define LAZYLLM_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lazyllm::kernels::cpu::avx2 {
namespace {

constexpr int kHalves = 2;  // a tile of 16 outputs is two vectors of 8

__m256 load_halves(const void* halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(halves)));
}

/// 8 values of the storage as float32.
template <StorageType kType>
__m256 load_values(const std::byte* values) {
  if constexpr (kType == StorageType::f32) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(values));
  } else if constexpr (kType == StorageType::f16) {
    return load_halves(values);
  } else {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
}

template <StorageType kType>
constexpr int kHalfTileBytes = 8 * (kType == StorageType::f32 ? 4 : 2);

template <StorageType kType, int kRows>
void multiply(const FloatProduct& p) {
  for (int tile = 0; tile < p.tiles; ++tile) {
    float* out = p.sums + tile * kTileOutputs;
    const auto* weights =
        static_cast<const std::byte*>(p.weights) + int64_t{tile} * kHalves * kHalfTileBytes<kType>;
    __m256 sums[kRows][kHalves];
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      LAZYLLM_UNROLL
      for (int h = 0; h < kHalves; ++h) {
        sums[r][h] =
            p.first ? _mm256_setzero_ps() : _mm256_loadu_ps(out + r * p.sums_stride + 8 * h);
      }
    }
    for (int64_t k = 0; k < p.columns; ++k) {
      const __m256 first = load_values<kType>(weights);
      const __m256 second = load_values<kType>(weights + kHalfTileBytes<kType>);
      LAZYLLM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const __m256 a = _mm256_broadcast_ss(p.in + k * kPanelRows + r);
        sums[r][0] = _mm256_fmadd_ps(a, first, sums[r][0]);
        sums[r][1] = _mm256_fmadd_ps(a, second, sums[r][1]);
      }
      weights += int64_t{p.tiles} * kHalves * kHalfTileBytes<kType>;
    }
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      LAZYLLM_UNROLL
      for (int h = 0; h < kHalves; ++h) {
        _mm256_storeu_ps(out + r * p.sums_stride + 8 * h, sums[r][h]);
      }
    }
  }
}

template <StorageType kType>
FloatKernel of_rows(int rows) {
  static constexpr FloatKernel kKernels[kPanelRows] = {multiply<kType, 1>, multiply<kType, 2>,
                                                       multiply<kType, 3>, multiply<kType, 4>,
                                                       multiply<kType, 5>, multiply<kType, 6>};
  return kKernels[rows - 1];
}

template <StorageType kType>
void widen(const std::byte* values, int64_t columns, float* out, int64_t stride) {
  for (int64_t k = 0; k < columns; ++k) {
    for (int h = 0; h < kHalves; ++h) {
      _mm256_storeu_ps(out + k * stride + 8 * h,
                       load_values<kType>(values + (kHalves * k + h) * kHalfTileBytes<kType>));
    }
  }
}

/// Small scales (or minimums) of a K-quant for 8 outputs.
__m256 small_floats(const uint8_t* bytes, bool is_signed) {
  const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  return _mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(b) : _mm256_cvtepu8_epi32(b));
}

__m256 nibble_floats(const uint8_t* bytes, int shift) {
  const __m256i b = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
  return _mm256_cvtepi32_ps(
      _mm256_and_si256(_mm256_srl_epi32(b, _mm_cvtsi32_si128(shift)), _mm256_set1_epi32(15)));
}

/// A super-block's scales for the half h of a tile.
void decode_super_half(const PackedFormat& f, const uint8_t* block, int h, float* scales,
                       float* minimums, int64_t stride) {
  const bool nibbles = f.bits == 2;
  const int64_t subgroups = kSuperColumns / f.scale_columns;
  const uint8_t* small = block + (f.minimum ? 64 : 32) + 8 * h;
  const __m256 d = load_halves(block + 16 * h);
  // negated once instead of every product
  const __m256 dmin =
      f.minimum ? _mm256_xor_ps(load_halves(block + 32 + 16 * h), _mm256_set1_ps(-0.0f)) : d;
  for (int64_t s = 0; s < subgroups; ++s) {
    const uint8_t* b = small + s * kTileOutputs;
    const __m256 scale = nibbles ? nibble_floats(b, 0) : small_floats(b, true);
    _mm256_storeu_ps(scales + s * stride + 8 * h, _mm256_mul_ps(d, scale));
    if (f.minimum) {
      const __m256 low =
          nibbles ? nibble_floats(b, 4) : small_floats(b + subgroups * kTileOutputs, false);
      _mm256_storeu_ps(minimums + s * stride + 8 * h, _mm256_mul_ps(dmin, low));
    }
  }
}

}  // namespace

FloatKernel float_panel_kernel(int rows, int) {
  return of_rows<StorageType::f32>(rows);
}

FloatKernel float_direct_kernel(StorageType type, int rows) {
  switch (type) {
    case StorageType::f16:
      return of_rows<StorageType::f16>(rows);
    case StorageType::bf16:
      return of_rows<StorageType::bf16>(rows);
    default:
      return of_rows<StorageType::f32>(rows);
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
      for (int h = 0; h < kHalves; ++h) {
        _mm256_storeu_ps(scales + g * stride + 8 * h, load_halves(block + 16 * h));
        if (f.minimum) {
          _mm256_storeu_ps(minimums + g * stride + 8 * h, load_halves(block + 32 + 16 * h));
        }
      }
    }
    return;
  }
  const int64_t subgroups = kSuperColumns / f.scale_columns;
  const int64_t small_sets = f.minimum && f.bits != 2 ? 2 : 1;
  const int64_t block_bytes = halves + subgroups * kTileOutputs * small_sets;
  for (int64_t block = 0; block < groups / kGroupSteps; ++block) {
    const uint8_t* b = base + (first_group / kGroupSteps + block) * block_bytes;
    const int64_t to = block * subgroups * stride;
    for (int h = 0; h < kHalves; ++h) {
      decode_super_half(f, b, h, scales + to, minimums + to, stride);
    }
  }
}

}  // namespace lazyllm::kernels::cpu::avx2
