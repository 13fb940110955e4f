// SPDX-License-Identifier: Apache-2.0
// Which keys a tile's rows see, and where they lie. Included after simd_<isa>.h, with LAZYLLM_ISA
// set.
#pragma once

#include <cstring>

#include "kernels/cpu/attention_kernel.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

/// Some keys of a chunk or block, counted from its first key.
struct Range {
  int first;
  int end;
  bool empty() const { return first >= end; }
};

/// What a row sees of the `count` keys from `key` on.
LAZYLLM_SIMD_INLINE Range visible(const AttentionTile& tile, int row, int64_t key, int count) {
  const int64_t first = tile.first_key[row] - key;
  const int64_t end = tile.end_key[row] - key;
  return {static_cast<int>(first < 0       ? 0
                           : first > count ? count
                                           : first),
          static_cast<int>(end < 0       ? 0
                           : end > count ? count
                                         : end)};
}

/// Smallest range of a block with all that the lanes [first, first + count) see of it.
LAZYLLM_SIMD_INLINE Range visible_to_lanes(const AttentionTile& tile, int first_lane, int count,
                                           int64_t block_key) {
  if (tile.common_first <= block_key && block_key + kBlockKeys <= tile.common_end) {
    return {0, kBlockKeys};
  }
  Range all = {kBlockKeys, 0};
  const int last_row = (first_lane + count - 1) / tile.group;
  for (int row = first_lane / tile.group; row <= last_row; ++row) {
    const Range range = visible(tile, row, block_key, kBlockKeys);
    if (range.first >= range.end) continue;
    if (range.first < all.first) all.first = range.first;
    if (range.end > all.end) all.end = range.end;
  }
  return all;
}

/// Bit i: some row of the tile sees key i of the block. Other keys are never
/// read, their memory may hold anything.
LAZYLLM_SIMD_INLINE uint64_t visible_mask(const AttentionTile& tile, int64_t block_key) {
  if (tile.common_first <= block_key && block_key + kBlockKeys <= tile.common_end) {
    return ~uint64_t{0};
  }
  uint64_t mask = 0;
  for (int row = 0; row < tile.rows; ++row) {
    const Range range = visible(tile, row, block_key, kBlockKeys);
    if (range.first >= range.end) continue;
    const uint64_t below_end = range.end == 64 ? ~uint64_t{0} : (uint64_t{1} << range.end) - 1;
    mask |= below_end & ~((uint64_t{1} << range.first) - 1);
  }
  return mask;
}

template <typename Value>
LAZYLLM_SIMD_INLINE void clear(Value* values, int64_t count) {
  std::memset(values, 0, static_cast<size_t>(count) * sizeof(Value));
}

LAZYLLM_SIMD_INLINE const std::byte* key_row(const AttentionTile& tile, int64_t key) {
  const auto slot = static_cast<uint32_t>(tile.key_slots[key]);
  return tile.blocks[slot / kBlockKeys] + tile.key_offset + slot % kBlockKeys * tile.k_row_bytes;
}

LAZYLLM_SIMD_INLINE const std::byte* value_row(const AttentionTile& tile, int64_t key) {
  const auto slot = static_cast<uint32_t>(tile.key_slots[key]);
  return tile.blocks[slot / kBlockKeys] + tile.value_offset + slot % kBlockKeys * tile.v_row_bytes;
}

LAZYLLM_SIMD_INLINE void prefetch_row(const std::byte* row, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i);
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
