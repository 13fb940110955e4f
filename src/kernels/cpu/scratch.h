// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace lazyllm::kernels::cpu {

struct FreeMemory {
  void operator()(void* data) const { std::free(data); }
};

/// 64-byte aligned memory; large pieces lie in huge pages where the system has them.
/// Errors: Error(io) when the system has none left.
inline std::unique_ptr<void, FreeMemory> allocate_aligned(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  if (bytes == 0) bytes = 1;
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  void* data = nullptr;
  if (bytes <= SIZE_MAX - alignment) {
    data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  if (data == nullptr) {
    fail(ErrorCode::io, "out of memory: the system refused {} MiB; use a smaller context or model",
         bytes >> 20);
  }
#if defined(MADV_HUGEPAGE)
  // Whole huge pages only; a refusal costs time, not correctness.
  if (alignment == kHugePage) ::madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return std::unique_ptr<void, FreeMemory>(data);
}

/// Working memory that is kept between calls and only grows. 64-byte aligned; contents undefined
/// at first, and after it grew.
class Scratch {
 public:
  template <typename T>
  T* get(int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    if (bytes > bytes_) {
      data_.reset();
      bytes_ = 0;
      data_ = allocate_aligned(bytes);
      bytes_ = bytes;
    }
    return static_cast<T*>(data_.get());
  }
  float* floats(size_t count) { return get<float>(static_cast<int64_t>(count)); }

 private:
  std::unique_ptr<void, FreeMemory> data_;
  size_t bytes_ = 0;
};

}  // namespace lazyllm::kernels::cpu
