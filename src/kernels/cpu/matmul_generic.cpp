// SPDX-License-Identifier: Apache-2.0
// Plain C++ for any processor, written so that compilers vectorise the loops over the
// 16 outputs of a tile. An unpacked group is [32 columns][16 outputs] of float: the dots
// are integers below 2^24, so float arithmetic is exact, and every processor has it.
#include <bit>
#include <cstring>

#include "base/float16.h"
#include "kernels/cpu/matmul_kernels.h"
#include "kernels/dequantize.h"

namespace lazyllm::kernels::cpu {
namespace {

/// Nearest even, for |x| < 2^22; any bits for values that are not finite.
int8_t round_to_int8(float x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: the integer lands in the low bits
  return static_cast<int8_t>(std::bit_cast<int32_t>(x + kMagic));
}

void quantize_panel(const float* in, int64_t in_stride, int rows, int64_t groups, int8_t* quants,
                    float* scales, int32_t* sums16, int32_t* sums32) {
  if (rows < kPanelRows) {
    const auto entries = static_cast<size_t>(groups * kPanelRows);
    std::memset(scales, 0, entries * sizeof(float));
    std::memset(sums16, 0, 2 * entries * sizeof(int32_t));
    std::memset(sums32, 0, entries * sizeof(int32_t));
  }
  for (int r = 0; r < rows; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      const float* x = in + r * in_stride + g * kGroupColumns;
      // As integers the magnitudes order like floats, with infinity and NaN on top.
      uint32_t top = 0;
      for (int i = 0; i < kGroupColumns; ++i) {
        const uint32_t magnitude = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
        top = magnitude > top ? magnitude : top;
      }
      const float maximum = std::bit_cast<float>(top);
      const bool tiny = top < kTinyActivation;
      const float inverse = tiny ? 0.0f : 127.0f / maximum;
      scales[g * kPanelRows + r] = tiny ? 0.0f : maximum / 127.0f;
      int8_t* out = quants + g * kActivationGroupBytes + r * 4;
      int32_t sum[2] = {0, 0};
      for (int i = 0; i < kGroupColumns; ++i) {
        const int8_t q = round_to_int8(x[i] * inverse);
        out[i / 4 * (kPanelRows * 4) + i % 4] = q;
        sum[i / 16] += q;
      }
      sums16[2 * g * kPanelRows + r] = sum[0];
      sums16[(2 * g + 1) * kPanelRows + r] = sum[1];
      sums32[g * kPanelRows + r] = sum[0] + sum[1];
    }
  }
}

void widen_halves(const uint8_t* halves, float* out) {
  for (int o = 0; o < kTileOutputs; ++o) {
    uint16_t bits;
    std::memcpy(&bits, halves + 2 * o, 2);
    out[o] = half_to_float(bits);
  }
}

void decode_scales(const PackedFormat& f, const uint8_t* base, int64_t first_group, int64_t groups,
                   float* scales, float* minimums, int64_t stride) {
  if (!f.super) {
    const int64_t block_bytes = f.minimum ? 64 : 32;
    for (int64_t g = 0; g < groups; ++g) {
      const uint8_t* block = base + (first_group + g) * block_bytes;
      widen_halves(block, scales + g * stride);
      if (f.minimum) widen_halves(block + 32, minimums + g * stride);
    }
    return;
  }
  const int64_t subgroups = kSuperColumns / f.scale_columns;
  const int64_t halves = f.minimum ? 64 : 32;
  const int64_t small_bytes = subgroups * kTileOutputs;
  const int64_t block_bytes = halves + small_bytes * (f.minimum && !f.nibble_scales() ? 2 : 1);
  for (int64_t block = 0; block < groups / kGroupSteps; ++block) {
    const uint8_t* b = base + (first_group / kGroupSteps + block) * block_bytes;
    float d[kTileOutputs];
    float dmin[kTileOutputs] = {};
    widen_halves(b, d);
    if (f.minimum) widen_halves(b + 32, dmin);
    for (int64_t s = 0; s < subgroups; ++s) {
      const int64_t to = (block * subgroups + s) * stride;
      const uint8_t* small = b + halves + s * kTileOutputs;
      for (int o = 0; o < kTileOutputs; ++o) {
        const int scale = f.nibble_scales() ? small[o] & 15 : static_cast<int8_t>(small[o]);
        scales[to + o] = d[o] * static_cast<float>(scale);
        if (f.minimum) {
          const int low = f.nibble_scales() ? small[o] >> 4 : small[small_bytes + o];
          minimums[to + o] = -(dmin[o] * static_cast<float>(low));
        }
      }
    }
  }
}

/// The unsigned quants of one k-step: [16 outputs][4 columns].
template <int kBits, bool kCodebook>
void read_step(const uint8_t* planes, int step, uint8_t* q) {
  const auto bits_at = [&](int vector, int shift, int mask, int byte) {
    return (planes[vector * kStepBytes + byte] >> shift) & mask;
  };
  for (int b = 0; b < kStepBytes; ++b) {
    int value = 0;
    if constexpr (kBits == 8) value = planes[step * kStepBytes + b];
    if constexpr (kBits <= 3) value = bits_at(step / 4, 2 * (step % 4), 3, b);
    if constexpr (kBits == 3) value |= bits_at(2, step, 1, b) << 2;
    if constexpr (kBits >= 4 && kBits <= 6) value = bits_at(step / 2, 4 * (step % 2), 15, b);
    if constexpr (kBits == 5) value |= bits_at(4, step, 1, b) << 4;
    if constexpr (kBits == 6) value |= bits_at(4 + step / 4, 2 * (step % 4), 3, b) << 4;
    q[b] = static_cast<uint8_t>(kCodebook ? kIq4Values[value] + 128 : value);
  }
}

template <int kBits, bool kCodebook>
void unpack_bits(const uint8_t* planes, float* out) {
  for (int step = 0; step < kGroupSteps; ++step) {
    uint8_t q[kStepBytes];
    read_step<kBits, kCodebook>(planes, step, q);
    for (int k = 0; k < 4; ++k) {
      for (int o = 0; o < kTileOutputs; ++o) out[(4 * step + k) * kTileOutputs + o] = q[4 * o + k];
    }
  }
}

void unpack_group(const PackedFormat& f, const uint8_t* planes, float* out) {
  switch (f.bits) {
    case 2:
      return unpack_bits<2, false>(planes, out);
    case 3:
      return unpack_bits<3, false>(planes, out);
    case 4:
      return f.codebook ? unpack_bits<4, true>(planes, out) : unpack_bits<4, false>(planes, out);
    case 5:
      return unpack_bits<5, false>(planes, out);
    case 6:
      return unpack_bits<6, false>(planes, out);
    default:
      return unpack_bits<8, false>(planes, out);
  }
}

void unpack_quants(const PackedFormat& f, const uint8_t* planes, int64_t groups, uint8_t* out,
                   int64_t stride) {
  for (int64_t g = 0; g < groups; ++g) {
    unpack_group(f, planes + g * kStepBytes * f.bits, reinterpret_cast<float*>(out + g * stride));
  }
}

// GCC's and Clang's portable vectors: 4 of them keep a tile's sums in registers.
using Four = float __attribute__((vector_size(16)));

inline Four load_four(const float* data) {
  Four four;
  std::memcpy(&four, data, sizeof(four));
  return four;
}

/// One group of 16 or 32 columns of one row and one tile.
template <bool kMinimum>
void add_group(const int8_t* quants, int columns, float scale, const void* extra,
               const float* weights, const float* weight_scales, const float* minimums,
               float* sums) {
  int32_t start = 0;
  float scaled_sum = 0.0f;
  if (kMinimum) {
    std::memcpy(&scaled_sum, extra, 4);
  } else {
    std::memcpy(&start, extra, 4);
  }
  Four dot[4];
  for (Four& d : dot) d = Four{} + static_cast<float>(start);
  for (int k = 0; k < columns; ++k) {
    const float a = quants[k / 4 * (kPanelRows * 4) + k % 4];
    for (int i = 0; i < 4; ++i) dot[i] += load_four(weights + k * kTileOutputs + 4 * i) * a;
  }
  for (int i = 0; i < 4; ++i) {
    Four sum = load_four(sums + 4 * i);
    sum += dot[i] * (load_four(weight_scales + 4 * i) * scale);
    if (kMinimum) sum += load_four(minimums + 4 * i) * scaled_sum;
    std::memcpy(sums + 4 * i, &sum, sizeof(sum));
  }
}

template <bool kMinimum, bool kDirect>
void multiply(const QuantProduct& p) {
  const PackedFormat& f = *p.format;
  const int columns = f.scale_columns;
  const int parts = kGroupColumns / columns;
  if (p.first) {
    for (int r = 0; r < p.rows; ++r) {
      std::memset(p.sums + r * p.sums_stride, 0, static_cast<size_t>(p.tiles) * kStepBytes);
    }
  }
  float unpacked[kGroupValues];
  for (int64_t g = 0; g < p.groups; ++g) {
    for (int tile = 0; tile < p.tiles; ++tile) {
      const float* weights = unpacked;
      if (kDirect) {
        unpack_group(f, p.weights + g * kStepBytes * f.bits, unpacked);
      } else {
        weights = reinterpret_cast<const float*>(p.weights) + (g * p.tiles + tile) * kGroupValues;
      }
      for (int part = 0; part < parts; ++part) {
        const int64_t s = g * parts + part;  // scale group
        const int64_t at = (s * p.tiles + tile) * kTileOutputs;
        const int8_t* quants = p.quants + g * kActivationGroupBytes + part * columns * kPanelRows;
        for (int r = 0; r < p.rows; ++r) {
          add_group<kMinimum>(quants + r * 4, columns, p.scales[g * kPanelRows + r],
                              static_cast<const std::byte*>(p.extras) + 4 * (s * kPanelRows + r),
                              weights + part * columns * kTileOutputs, p.weight_scales + at,
                              kMinimum ? p.weight_minimums + at : nullptr,
                              p.sums + r * p.sums_stride + tile * kTileOutputs);
        }
      }
    }
  }
}

QuantKernel panel_kernel(const PackedFormat& f, int, int) {
  return f.minimum ? multiply<true, false> : multiply<false, false>;
}

QuantKernel direct_kernel(const PackedFormat& f, int) {
  return f.minimum ? multiply<true, true> : multiply<false, true>;
}

struct LoadFloat {
  using Stored = float;
  static float convert(float value) { return value; }
};
struct LoadHalf {
  using Stored = uint16_t;
  static float convert(uint16_t value) { return half_to_float(value); }
};
struct LoadBfloat {
  using Stored = uint16_t;
  static float convert(uint16_t value) { return bfloat16_to_float(value); }
};

template <typename Load>
void widen(const std::byte* values, int64_t columns, float* out, int64_t stride) {
  const auto* stored = reinterpret_cast<const typename Load::Stored*>(values);
  for (int64_t k = 0; k < columns; ++k) {
    for (int o = 0; o < kTileOutputs; ++o) {
      out[k * stride + o] = Load::convert(stored[k * kTileOutputs + o]);
    }
  }
}

void unpack_floats(StorageType type, const std::byte* values, int64_t columns, float* out,
                   int64_t stride) {
  switch (type) {
    case StorageType::f16:
      return widen<LoadHalf>(values, columns, out, stride);
    case StorageType::bf16:
      return widen<LoadBfloat>(values, columns, out, stride);
    default:
      return widen<LoadFloat>(values, columns, out, stride);
  }
}

template <typename Load>
void multiply_floats(const FloatProduct& p) {
  const int64_t width = int64_t{p.tiles} * kTileOutputs;
  for (int r = 0; r < p.rows; ++r) {
    for (int tile = 0; tile < p.tiles; ++tile) {
      const auto* weights =
          static_cast<const typename Load::Stored*>(p.weights) + tile * kTileOutputs;
      float* target = p.sums + r * p.sums_stride + tile * kTileOutputs;
      Four sums[4] = {};
      if (!p.first) std::memcpy(sums, target, sizeof(sums));
      for (int64_t k = 0; k < p.columns; ++k) {
        const float a = p.in[k * kPanelRows + r];
        float w[kTileOutputs];
        for (int o = 0; o < kTileOutputs; ++o) w[o] = Load::convert(weights[k * width + o]);
        for (int i = 0; i < 4; ++i) sums[i] += load_four(w + 4 * i) * a;
      }
      std::memcpy(target, sums, sizeof(sums));
    }
  }
}

FloatKernel float_panel_kernel(int, int) {
  return multiply_floats<LoadFloat>;
}

FloatKernel float_direct_kernel(StorageType type, int) {
  switch (type) {
    case StorageType::f16:
      return multiply_floats<LoadHalf>;
    case StorageType::bf16:
      return multiply_floats<LoadBfloat>;
    default:
      return multiply_floats<LoadFloat>;
  }
}

}  // namespace

const MatmulKernels& generic_matmul_kernels() {
  static constexpr MatmulKernels kKernels = {quantize_panel,
                                             decode_scales,
                                             unpack_quants,
                                             unpack_floats,
                                             panel_kernel,
                                             direct_kernel,
                                             float_panel_kernel,
                                             float_direct_kernel,
                                             kGroupValues * sizeof(float),
                                             "int8"};
  return kKernels;
}

}  // namespace lazyllm::kernels::cpu
