// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "kernels/backend.h"

namespace lazyllm::distributed {

/// Addresses for memory of another rank: a range that this process reserves and nobody can read or
/// write, so that pointers into it can be counted on like others, and one that is followed here by
/// mistake ends the program instead of giving wrong values. Thread-safe.
class RemoteMemory {
 public:
  using Freed = std::function<void(uint64_t address)>;

  /// `freed`: told of every buffer that goes. Errors: Error(io) if no range can be reserved.
  explicit RemoteMemory(Freed freed);
  ~RemoteMemory();
  RemoteMemory(const RemoteMemory&) = delete;
  RemoteMemory& operator=(const RemoteMemory&) = delete;

  /// A buffer whose memory somebody else has to provide.
  /// Errors: Error(io) when all addresses are in use.
  kernels::Buffer allocate(size_t bytes);

 private:
  static void free_buffer(void* address);
  void free(uint64_t address);

  std::mutex mutex_;
  Freed freed_;
  std::byte* begin_ = nullptr;
  size_t used_ = 0;
  std::map<uint64_t, size_t> sizes_;                // of the buffers that live
  std::map<size_t, std::vector<uint64_t>> unused_;  // addresses of those that went, by size
};

}  // namespace lazyllm::distributed
