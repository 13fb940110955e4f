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

/// What stands in place of rows that are not visible: zeros of every type. Null if all are.
LAZYLLM_SIMD_INLINE const std::byte* unseen_row(const AttentionTile& tile,
                                                const AttentionScratch& scratch, uint64_t mask) {
  if (mask == ~uint64_t{0}) return nullptr;
  clear(scratch.rows, tile.padded_dim);
  return reinterpret_cast<const std::byte*>(scratch.rows);
}

/// Where a block's keys (or values) stand; `unseen` where not visible.
template <const std::byte* (*kRow)(const AttentionTile&, int64_t)>
LAZYLLM_SIMD_INLINE void find_rows(const AttentionTile& tile, int64_t block_key, uint64_t mask,
                                   const std::byte* unseen, const std::byte** rows) {
  for (int key = 0; key < kBlockKeys; ++key) {
    rows[key] = (mask >> key & 1) != 0 ? kRow(tile, block_key + key) : unseen;
  }
}

/// Few lanes (decoding) wait for memory: the values of a block are asked for while its keys are
/// worked on. Nor do few lanes pay for a block of converted values: these are converted inside the
/// product, in registers. The bits are the same.
constexpr int kFewLanes = 2 * kTileRows;

LAZYLLM_SIMD_INLINE void prefetch_values(const AttentionTile& tile, int64_t block_key,
                                         uint64_t mask) {
  for (int key = 0; key < kBlockKeys; ++key) {
    if ((mask >> key & 1) == 0) continue;
    const std::byte* row = value_row(tile, block_key + key);
    for (size_t i = 0; i < tile.v_row_bytes; i += 64) __builtin_prefetch(row + i);
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
