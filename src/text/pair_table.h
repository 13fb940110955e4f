// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "text/merger.h"

namespace lazyllm::text {

/// A hash table from pairs of symbols to merges: open addressing, never shrinks. It is
/// asked for every pair of neighbours in a prompt, which std::unordered_map makes slow.
class PairTable {
 public:
  explicit PairTable(size_t capacity = 0)
      : entries_(std::bit_ceil(2 * capacity + 2)), mask_(entries_.size() - 1) {}

  /// Keeps the first merge of a pair. At most `capacity` insertions.
  void insert(int32_t left, int32_t right, Merge merge) {
    const uint64_t key = key_of(left, right);
    size_t slot = slot_of(key);
    while (entries_[slot].merge.id >= 0) {
      if (entries_[slot].key == key) return;
      slot = (slot + 1) & mask_;
    }
    entries_[slot] = {key, merge};
  }

  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    for (size_t slot = slot_of(key); entries_[slot].merge.id >= 0; slot = (slot + 1) & mask_) {
      if (entries_[slot].key == key) return entries_[slot].merge;
    }
    return {};
  }

 private:
  struct Entry {
    uint64_t key = 0;
    Merge merge;
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) |
           static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const {
    key *= 0x9E3779B97F4A7C15ULL;
    return static_cast<size_t>(key ^ (key >> 32)) & mask_;
  }

  std::vector<Entry> entries_;
  size_t mask_;
};

}  // namespace lazyllm::text
