// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "base/error.h"

namespace lazyllm::kernels::cpu {

struct FreeMemory {
  void operator()(void* data) const { std::free(data); }
};

/// 64-byte aligned memory. Errors: Error(io) when the system has none left.
inline std::unique_ptr<void, FreeMemory> allocate_aligned(size_t bytes) {
  constexpr size_t kAlignment = 64;
  if (bytes == 0) bytes = 1;
  void* data = nullptr;
  if (bytes <= SIZE_MAX - kAlignment) {
    data = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  }
  if (data == nullptr) {
    fail(ErrorCode::io, "out of memory: the system refused {} MiB; use a smaller context or model",
         bytes >> 20);
  }
  return std::unique_ptr<void, FreeMemory>(data);
}

/// Working memory that is kept between calls and only grows.
class Scratch {
 public:
  /// At least `count` floats, 64-byte aligned; contents undefined.
  float* floats(size_t count) {
    if (count > count_) {
      data_.reset();
      count_ = 0;
      data_ = allocate_aligned(count * sizeof(float));
      count_ = count;
    }
    return static_cast<float*>(data_.get());
  }

 private:
  std::unique_ptr<void, FreeMemory> data_;
  size_t count_ = 0;
};

}  // namespace lazyllm::kernels::cpu
