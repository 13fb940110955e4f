// SPDX-License-Identifier: Apache-2.0
#include "lazy/kv_cache.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace lazyllm::lazy {

KvCache::KvCache(const kernels::Backend& backend, const kernels::KvLayout& layout)
    : backend_(&backend), layout_(layout) {}

int32_t KvCache::acquire(int64_t token) {
  if (static_cast<size_t>(token) >= slot_of_.size()) {
    slot_of_.resize(static_cast<size_t>(token) + 1, kNoSlot);
  }
  int32_t& slot = slot_of_[static_cast<size_t>(token)];
  if (slot != kNoSlot) return slot;
  // Memory first: where it runs out nothing has changed, and no slot of a shared block is given
  // out to be written.
  const bool reuses = !free_slots_.empty();
  const int32_t next = reuses ? free_slots_.back() : slots_;
  const auto block = static_cast<size_t>(next / kernels::kKvBlockSlots);
  if (block == blocks_.size()) {
    add_block();
  } else {
    own_block(block);
  }
  if (reuses) {
    free_slots_.pop_back();
  } else {
    ++slots_;
  }
  slot = next;
  return slot;
}

void KvCache::add_block() {
  auto block = std::make_shared<kernels::Buffer>(backend_->allocate(layout_.block_bytes()));
  pointers_.resize(blocks_.size());  // one more than blocks if memory ran out just here before
  pointers_.push_back(static_cast<std::byte*>(block->data()));
  blocks_.push_back(std::move(block));
}

void KvCache::own_block(size_t block) {
  std::shared_ptr<kernels::Buffer>& shared = blocks_[block];
  if (shared.use_count() == 1) return;
  auto own = std::make_shared<kernels::Buffer>(backend_->allocate(layout_.block_bytes()));
  backend_->copy(*shared, *own);
  shared = std::move(own);
  pointers_[block] = static_cast<std::byte*>(shared->data());
}

void KvCache::share_prefix(const KvCache& other, int64_t tokens) {
  LAZYLLM_CHECK(slots_ == 0 && tokens <= std::ssize(other.slot_of_));
  slots_ = static_cast<int32_t>(tokens);
  free_slots_.clear();
  slot_of_.assign(other.slot_of_.begin(), other.slot_of_.begin() + tokens);
  for (int64_t token = 0; token < tokens; ++token) LAZYLLM_CHECK(slot(token) == token);
  const auto blocks = (tokens + kernels::kKvBlockSlots - 1) / kernels::kKvBlockSlots;
  blocks_.assign(other.blocks_.begin(), other.blocks_.begin() + blocks);
  pointers_.assign(other.pointers_.begin(), other.pointers_.begin() + blocks);
}

void KvCache::free_slot(int32_t slot) {
  if (slot == slots_ - 1) {
    --slots_;
  } else {
    free_slots_.push_back(slot);
  }
}

void KvCache::release(int64_t token) {
  if (slot(token) == kNoSlot) return;
  free_slot(std::exchange(slot_of_[static_cast<size_t>(token)], kNoSlot));
  drop_empty_blocks();
}

void KvCache::drop_empty_blocks() {
  const auto blocks =
      static_cast<size_t>((slots_ + kernels::kKvBlockSlots - 1) / kernels::kKvBlockSlots);
  blocks_.resize(blocks);
  pointers_.resize(blocks);
}

void KvCache::truncate(int64_t first) {
  constexpr int64_t kFew = 32;  // drafted tokens: not worth a look at all slots
  const int64_t size = std::ssize(slot_of_);
  if (first >= size) return;
  if (size - first <= kFew) {
    for (int64_t token = size; token-- > first;) {
      if (slot(token) != kNoSlot) free_slot(slot(token));
    }
    slot_of_.resize(static_cast<size_t>(first));
    if (std::ssize(free_slots_) == slots_) {  // revived tokens lie out of order
      slots_ = 0;
      free_slots_.clear();
    }
    drop_empty_blocks();
    return;
  }
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
  drop_empty_blocks();
}

}  // namespace lazyllm::lazy
