// SPDX-License-Identifier: Apache-2.0
#include "lazy/kv_cache.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::lazy {

KvCache::KvCache(const kernels::Backend& backend, const kernels::KvLayout& layout)
    : backend_(backend), layout_(layout) {}

int32_t KvCache::acquire(int64_t token) {
  if (static_cast<size_t>(token) >= slot_of_.size()) {
    slot_of_.resize(static_cast<size_t>(token) + 1, kNoSlot);
  }
  int32_t& slot = slot_of_[static_cast<size_t>(token)];
  if (slot != kNoSlot) return slot;
  if (!free_slots_.empty()) {
    slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  if (slots_ % kernels::kKvBlockSlots == 0) {
    blocks_.push_back(backend_.allocate(layout_.block_bytes()));
    pointers_.push_back(static_cast<std::byte*>(blocks_.back().data()));
  }
  slot = slots_++;
  return slot;
}

void KvCache::copy_prefix(const KvCache& other, int64_t tokens) {
  LAZYLLM_CHECK(slots_ == 0);
  for (int64_t token = 0; token < tokens; ++token) {
    LAZYLLM_CHECK(other.slot(token) == token);
    acquire(token);
  }
  for (size_t block = 0; block < blocks_.size(); ++block) {
    backend_.copy(other.blocks_[block], blocks_[block]);
  }
}

void KvCache::truncate(int64_t first) {
  if (first >= static_cast<int64_t>(slot_of_.size())) return;
  slot_of_.resize(static_cast<size_t>(first));
  std::vector<bool> used(static_cast<size_t>(slots_));
  for (const int32_t slot : slot_of_) {
    if (slot != kNoSlot) used[static_cast<size_t>(slot)] = true;
  }
  while (slots_ > 0 && !used[static_cast<size_t>(slots_) - 1]) --slots_;
  free_slots_.clear();
  for (int32_t slot = slots_ - 1; slot >= 0; --slot) {
    if (!used[static_cast<size_t>(slot)]) free_slots_.push_back(slot);
  }
  const auto blocks =
      static_cast<size_t>((slots_ + kernels::kKvBlockSlots - 1) / kernels::kKvBlockSlots);
  blocks_.resize(blocks);
  pointers_.resize(blocks);
}

}  // namespace lazyllm::lazy
