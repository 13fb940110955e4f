// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/weight_memory.h"

#include <sys/mman.h>

#include <mutex>
#include <new>

namespace lazyllm::kernels::cpu {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kChunkBytes = size_t{64} << 20;
constexpr size_t kAlignment = 64;

size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// Pages are taken from the system when they are first touched.
class Chunk {
 public:
  explicit Chunk(size_t bytes) : bytes_(bytes), mapped_(bytes + kHugePage) {
    address_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address_ == MAP_FAILED) throw std::bad_alloc();
    const auto begin = reinterpret_cast<uintptr_t>(address_);
    data_ = static_cast<std::byte*>(address_) + (round_up(begin, kHugePage) - begin);
#if defined(MADV_HUGEPAGE)
    ::madvise(data_, bytes_, MADV_HUGEPAGE);  // a refusal costs time, not correctness
#endif
  }
  ~Chunk() {
    ::munmap(address_, mapped_);
  }
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;

  /// Null when what is left is too small.
  std::byte* take(size_t bytes) {
    if (bytes > bytes_ - used_) return nullptr;
    std::byte* const taken = data_ + used_;
    used_ += bytes;
    return taken;
  }

 private:
  size_t bytes_;
  size_t mapped_;
  size_t used_ = 0;
  void* address_ = nullptr;
  std::byte* data_ = nullptr;
};

}  // namespace

std::shared_ptr<std::byte> allocate_weight_memory(size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<Chunk> current;  // the matrices keep it alive
  const size_t wanted = round_up(bytes, kAlignment);
  const std::lock_guard lock(mutex);
  std::shared_ptr<Chunk> chunk = current.lock();
  std::byte* data = chunk ? chunk->take(wanted) : nullptr;
  if (data == nullptr) {
    const bool alone = wanted > kChunkBytes / 4;  // large ones would leave large gaps
    chunk = std::make_shared<Chunk>(alone ? wanted : kChunkBytes);
    data = chunk->take(wanted);
    if (!alone) current = chunk;
  }
  return {std::move(chunk), data};
}

}  // namespace lazyllm::kernels::cpu
