// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/backend.h"

namespace lazyllm::lazy {

/// Keys and values of one layer, only for the tokens that were computed there.
/// A token gets a slot when it is first computed; memory grows by blocks of
/// kernels::kKvBlockSlots slots. Caches may share blocks; one that writes into such a block takes a
/// copy first.
class KvCache {
 public:
  KvCache(const kernels::Backend& backend, const kernels::KvLayout& layout);

  static constexpr int32_t kNoSlot = -1;

  /// The token's slot, or kNoSlot.
  int32_t slot(int64_t token) const {
    return token < static_cast<int64_t>(slot_of_.size()) ? slot_of_[static_cast<size_t>(token)]
                                                         : kNoSlot;
  }
  /// The token's slot; given out, to be written once, if it has none. Where memory runs out the
  /// cache is as before.
  int32_t acquire(int64_t token);
  /// Takes over the first `tokens` tokens of a cache that holds them in slots of their own number,
  /// as every cache does below the first pruning layer. This one must be empty.
  void share_prefix(const KvCache& other, int64_t tokens);
  /// Gives the token's slot back, if it has one.
  void release(int64_t token);
  /// Forgets the tokens from `first` on and gives back blocks at the end that became empty; of few
  /// tokens out of order, only once all are empty.
  void truncate(int64_t first);

  kernels::KvLayerView view() const { return {layout_, pointers_}; }
  /// The memory in order, for storing and loading.
  std::span<const std::shared_ptr<kernels::Buffer>> blocks() const { return blocks_; }
  /// Shared blocks count in each cache.
  size_t bytes() const { return blocks_.size() * layout_.block_bytes(); }

 private:
  void add_block();
  void own_block(size_t block);
  void free_slot(int32_t slot);
  void drop_empty_blocks();

  const kernels::Backend* backend_;
  kernels::KvLayout layout_;
  std::vector<int32_t> slot_of_;     // by token
  std::vector<int32_t> free_slots_;  // below slots_, from truncated tokens
  int32_t slots_ = 0;                // slots ever given out
  std::vector<std::shared_ptr<kernels::Buffer>> blocks_;
  std::vector<std::byte*> pointers_;
};

}  // namespace lazyllm::lazy
