// SPDX-License-Identifier: Apache-2.0
// Included by kv_rows_<isa>.cpp and attention_<isa>.cpp, after simd_<isa>.h, with LAZYLLM_ISA set.
#pragma once

#include <cstring>

#include "kernels/kv_layout.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

constexpr int kQ8Group = 32;       // values with one scale
constexpr int kQ8GroupBytes = 34;  // f16 scale, 32 int8

LAZYLLM_SIMD_INLINE void encode_f16(const float* in, int head_dim, std::byte* out) {
  int i = 0;
  for (; i + kWidth <= head_dim; i += kWidth) {
    uint16_t halves[kWidth];
    store_f16(halves, load(in + i));
    std::memcpy(out + 2 * i, halves, sizeof halves);
  }
  if (i < head_dim) {
    uint16_t halves[kWidth];
    store_f16(halves, load_first(in + i, head_dim - i));
    std::memcpy(out + 2 * i, halves, 2 * static_cast<size_t>(head_dim - i));
  }
}

LAZYLLM_SIMD_INLINE void encode_q8_0(const float* in, int head_dim, std::byte* out) {
  for (int g = 0; g < head_dim / kQ8Group; ++g, in += kQ8Group, out += kQ8GroupBytes) {
    Vec largest = zero();
    for (int i = 0; i < kQ8Group; i += kWidth) largest = max(largest, absolute(load(in + i)));
    const float amax = reduce_max(largest);
    const uint16_t scale = float_to_f16(amax / 127.0f);
    // A scale that is 0 as f16 means values of 0, whatever the quotients would be.
    const Vec inverse = broadcast(f16_to_float(scale) > 0.0f ? 127.0f / amax : 0.0f);
    std::memcpy(out, &scale, sizeof scale);
    int8_t quants[kQ8Group];
    for (int i = 0; i < kQ8Group; i += kWidth) store_i8(quants + i, mul(load(in + i), inverse));
    std::memcpy(out + sizeof scale, quants, sizeof quants);
  }
}

/// Values d .. d + kWidth - 1 of a row.
LAZYLLM_SIMD_INLINE Vec load_q8_0(const std::byte* row, int d) {
  const std::byte* group = row + d / kQ8Group * kQ8GroupBytes;
  uint16_t scale;
  std::memcpy(&scale, group, sizeof scale);
  const auto* quants = reinterpret_cast<const int8_t*>(group + sizeof scale);
  return mul(load_i8(quants + d % kQ8Group), broadcast(f16_to_float(scale)));
}

LAZYLLM_SIMD_INLINE void decode_f16(const std::byte* in, int head_dim, float* out) {
  int i = 0;
  for (; i + kWidth <= head_dim; i += kWidth) {
    store(out + i, load_f16(reinterpret_cast<const uint16_t*>(in) + i));
  }
  if (i < head_dim) {
    uint16_t halves[kWidth] = {};
    std::memcpy(halves, in + 2 * i, 2 * static_cast<size_t>(head_dim - i));
    store_first(out + i, load_f16(halves), head_dim - i);
  }
}

LAZYLLM_SIMD_INLINE void decode_q8_0(const std::byte* in, int head_dim, float* out) {
  for (int g = 0; g < head_dim / kQ8Group; ++g, in += kQ8GroupBytes, out += kQ8Group) {
    uint16_t half;
    std::memcpy(&half, in, sizeof half);
    const Vec scale = broadcast(f16_to_float(half));
    const auto* quants = reinterpret_cast<const int8_t*>(in + sizeof half);
    for (int i = 0; i < kQ8Group; i += kWidth) store(out + i, mul(load_i8(quants + i), scale));
  }
}

/// Values [0, head_dim) of `out`; both 4 * head_dim bytes for f32.
LAZYLLM_SIMD_INLINE void decode_row(CacheType type, const std::byte* in, int head_dim, float* out) {
  switch (type) {
    case CacheType::f16:
      decode_f16(in, head_dim, out);
      break;
    case CacheType::q8_0:
      decode_q8_0(in, head_dim, out);
      break;
    case CacheType::f32:
      std::memcpy(out, in, 4 * static_cast<size_t>(head_dim));
      break;
  }
}

LAZYLLM_SIMD_INLINE void encode_row(CacheType type, const float* in, int head_dim, std::byte* out) {
  switch (type) {
    case CacheType::f16:
      encode_f16(in, head_dim, out);
      break;
    case CacheType::q8_0:
      encode_q8_0(in, head_dim, out);
      break;
    case CacheType::f32:
      std::memcpy(out, in, 4 * static_cast<size_t>(head_dim));
      break;
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
