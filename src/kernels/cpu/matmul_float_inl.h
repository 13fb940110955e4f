// SPDX-License-Identifier: Apache-2.0
// Products with float weights, and the scales of quantised ones. Included once by
// matmul_float_<isa>.cpp, after simd_<isa>.h, with LAZYLLM_ISA set.
#include "kernels/cpu/matmul_parts_inl.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

constexpr int kOutputVectors = kTileOutputs / kWidth;  // of a tile
// As many sums as registers hold: 6 rows times two vectors.
constexpr int kTilesAtOnce = kPanelTiles / kOutputVectors;

template <StorageType kType>
constexpr int kVectorBytes = kWidth*(kType == StorageType::f32 ? 4 : 2);

/// A vector of the storage as float32.
template <StorageType kType>
LAZYLLM_SIMD_INLINE Vec load_values(const std::byte* values) {
  if constexpr (kType == StorageType::f32) {
    return load(reinterpret_cast<const float*>(values));
  } else if constexpr (kType == StorageType::f16) {
    return load_f16(reinterpret_cast<const uint16_t*>(values));
  } else {
    return load_bf16(reinterpret_cast<const uint16_t*>(values));
  }
}

LAZYLLM_SIMD_INLINE Vec load_scales(const uint8_t* halves) {
  return load_f16(reinterpret_cast<const uint16_t*>(halves));
}

template <StorageType kType, int kRows, int kTiles>
void multiply(const FloatProduct& p) {
  constexpr int kVectors = kTiles * kOutputVectors;
  for (int tile = 0; tile < p.tiles; tile += kTiles) {
    float* out = p.sums + tile * kTileOutputs;
    Vec sums[kRows][kVectors];
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      LAZYLLM_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = p.first ? zero() : load(out + r * p.sums_stride + v * kWidth);
      }
    }
    const float* in = p.in;
    const auto* weights = static_cast<const std::byte*>(p.weights) +
                          int64_t{tile} * kOutputVectors * kVectorBytes<kType>;
    for (int64_t k = 0; k < p.columns; ++k) {
      Vec w[kVectors];
      LAZYLLM_UNROLL
      for (int v = 0; v < kVectors; ++v)
        w[v] = load_values<kType>(weights + v * kVectorBytes<kType>);
      LAZYLLM_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Vec a = broadcast(in[r]);
        LAZYLLM_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[r][v] = multiply_add(a, w[v], sums[r][v]);
      }
      in += kPanelRows;
      weights += int64_t{p.tiles} * kOutputVectors * kVectorBytes<kType>;
    }
    LAZYLLM_UNROLL
    for (int r = 0; r < kRows; ++r) {
      LAZYLLM_UNROLL
      for (int v = 0; v < kVectors; ++v) store(out + r * p.sums_stride + v * kWidth, sums[r][v]);
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
    for (int v = 0; v < kOutputVectors; ++v) {
      store(out + k * stride + v * kWidth,
            load_values<kType>(values + (kOutputVectors * k + v) * kVectorBytes<kType>));
    }
  }
}

/// A super-block's scales for the outputs of a vector that begin at `output` of a tile.
void decode_super(const PackedFormat& f, const uint8_t* block, int output, float* scales,
                  float* minimums, int64_t stride) {
  const bool nibbles = f.nibble_scales();
  const int64_t subgroups = kSuperColumns / f.scale_columns;
  const uint8_t* small = block + (f.minimum ? 64 : 32) + output;
  const Vec d = load_scales(block + 2 * output);
  // negated once instead of every product
  const Vec dmin = f.minimum ? negate(load_scales(block + 32 + 2 * output)) : d;
  for (int64_t s = 0; s < subgroups; ++s) {
    const uint8_t* b = small + s * kTileOutputs;
    const Vec scale = nibbles ? load_nibbles<0>(b) : load_i8(reinterpret_cast<const int8_t*>(b));
    store(scales + s * stride + output, mul(d, scale));
    if (f.minimum) {
      const Vec low = nibbles ? load_nibbles<4>(b) : load_u8(b + subgroups * kTileOutputs);
      store(minimums + s * stride + output, mul(dmin, low));
    }
  }
}

}  // namespace

FloatKernel float_panel_kernel(int rows, int tiles) {
  return tiles < kTilesAtOnce ? of_rows<StorageType::f32, 1>(rows)
                              : of_rows<StorageType::f32, kTilesAtOnce>(rows);
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
      for (int output = 0; output < kTileOutputs; output += kWidth) {
        store(scales + g * stride + output, load_scales(block + 2 * output));
        if (f.minimum) {
          store(minimums + g * stride + output, load_scales(block + 32 + 2 * output));
        }
      }
    }
    return;
  }
  const int64_t subgroups = kSuperColumns / f.scale_columns;
  const int64_t small_sets = f.minimum && !f.nibble_scales() ? 2 : 1;
  const int64_t block_bytes = halves + subgroups * kTileOutputs * small_sets;
  for (int64_t block = 0; block < groups / kGroupSteps; ++block) {
    const uint8_t* b = base + (first_group / kGroupSteps + block) * block_bytes;
    const int64_t to = block * subgroups * stride;
    for (int output = 0; output < kTileOutputs; output += kWidth) {
      decode_super(f, b, output, scales + to, minimums + to, stride);
    }
  }
}

}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
