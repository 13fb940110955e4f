// SPDX-License-Identifier: Apache-2.0
#include "distributed/remote_memory.h"

#include <sys/mman.h>

#include "base/error.h"
#include "distributed/wire.h"

namespace lazyllm::distributed {
namespace {

constexpr size_t kRange = size_t{1} << 40;  ///< more than the memory of any machine
constexpr size_t kAlignment = 64;

/// A Buffer knows only its address when it goes: whose it is stands here.
std::mutex ranges_mutex;
std::map<const std::byte*, RemoteMemory*>& ranges() {
  static std::map<const std::byte*, RemoteMemory*> all;
  return all;
}

}  // namespace

RemoteMemory::RemoteMemory(Freed freed) : freed_(std::move(freed)) {
  void* const range =
      mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    fail(ErrorCode::io,
         "no addresses for the memory of another rank; allow more virtual memory (ulimit -v)");
  }
  begin_ = static_cast<std::byte*>(range);
  const std::lock_guard lock(ranges_mutex);
  ranges()[begin_] = this;
}

RemoteMemory::~RemoteMemory() {
  {
    const std::lock_guard lock(ranges_mutex);
    ranges().erase(begin_);
  }
  munmap(begin_, kRange);
}

kernels::Buffer RemoteMemory::allocate(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const size_t size = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  std::vector<uint64_t>& unused = unused_[size];
  uint64_t address = 0;
  if (!unused.empty()) {
    address = unused.back();
    unused.pop_back();
  } else if (size <= kRange - used_) {
    address = address_of(begin_ + used_);
    used_ += size;
  } else {
    fail(ErrorCode::io, "no addresses are left for the memory of another rank; start again");
  }
  sizes_[address] = size;
  return {reinterpret_cast<void*>(address), bytes, &free_buffer};
}

void RemoteMemory::free_buffer(void* address) {
  RemoteMemory* owner = nullptr;
  {
    const std::lock_guard lock(ranges_mutex);
    auto next = ranges().upper_bound(static_cast<const std::byte*>(address));
    if (next != ranges().begin()) owner = std::prev(next)->second;
  }
  if (owner != nullptr) owner->free(address_of(address));
}

void RemoteMemory::free(uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto size = sizes_.find(address);
  if (size == sizes_.end()) return;
  // Told first: who gets the address next writes its command behind this one.
  freed_(address);
  unused_[size->second].push_back(address);
  sizes_.erase(size);
}

}  // namespace lazyllm::distributed
