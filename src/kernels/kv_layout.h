// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace lazyllm::kernels {

/// Storage of keys or values in the cache.
enum class CacheType : uint8_t {
  f16,
  f32,
  q8_0,  ///< groups of 32 along head_dim: f16 scale + 32 int8, as in GGUF's Q8_0
};

/// Tokens per block: memory grows by blocks, and attention walks keys in blocks of this size.
inline constexpr int kKvBlockSlots = 64;

/// Bytes of one head's key or value. head_dim must be a multiple of 32 for q8_0.
inline constexpr size_t cache_row_bytes(CacheType type, int head_dim) {
  switch (type) {
    case CacheType::f32:
      return static_cast<size_t>(head_dim) * 4;
    case CacheType::q8_0:
      return static_cast<size_t>(head_dim) / 32 * 34;
    case CacheType::f16:
      break;
  }
  return static_cast<size_t>(head_dim) * 2;
}

/// How one layer's keys and values lie in a block of kKvBlockSlots slots:
///   keys   [kv_heads][kKvBlockSlots][cache_row_bytes(k_type)]
///   values [kv_heads][kKvBlockSlots][cache_row_bytes(v_type)]
/// A layer of another kind may keep one row per token, as a key of one head, and no values.
struct KvLayout {
  int kv_heads = 0;
  int head_dim = 0;
  CacheType k_type = CacheType::f16;
  CacheType v_type = CacheType::f16;
  bool has_values = true;

  bool operator==(const KvLayout&) const = default;

  size_t k_row_bytes() const { return cache_row_bytes(k_type, head_dim); }
  size_t v_row_bytes() const { return has_values ? cache_row_bytes(v_type, head_dim) : 0; }
  size_t block_bytes() const {
    return static_cast<size_t>(kv_heads) * kKvBlockSlots * (k_row_bytes() + v_row_bytes());
  }
  size_t key_offset(int kv_head, int slot_in_block) const {
    return (static_cast<size_t>(kv_head) * kKvBlockSlots + static_cast<size_t>(slot_in_block)) *
           k_row_bytes();
  }
  size_t value_offset(int kv_head, int slot_in_block) const {
    return static_cast<size_t>(kv_heads) * kKvBlockSlots * k_row_bytes() +
           (static_cast<size_t>(kv_head) * kKvBlockSlots + static_cast<size_t>(slot_in_block)) *
               v_row_bytes();
  }
};

/// One layer's cache: slot s lies in blocks[s / kKvBlockSlots] at s % kKvBlockSlots.
struct KvLayerView {
  KvLayout layout;
  std::span<std::byte* const> blocks;
};

}  // namespace lazyllm::kernels
