// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/backend.h"

namespace lazyllm::lazy {

/// The Aux Cache: at most one row of hidden_size float32 values per token, kept while
/// 0 < depth < L (paper, section 3.2; there one buffer per layer, here one row,
/// because a token waits at exactly one depth).
/// Memory comes in chunks of neighbouring tokens and goes when a chunk is empty; one is kept, for
/// each step of an answer needs one for its token. Several may share a chunk; who writes into such
/// a chunk takes a copy first.
class HiddenRows {
 public:
  HiddenRows(const kernels::Backend& backend, int hidden_size);
  /// Shares all chunks.
  HiddenRows(const HiddenRows& other);
  HiddenRows(HiddenRows&&) = default;
  HiddenRows& operator=(HiddenRows&&) = default;

  bool has(int64_t token) const;
  /// The token's row, to be written; made if absent, contents undefined then.
  float* acquire(int64_t token);
  /// The token's row, which must exist.
  float* row(int64_t token) const;
  void release(int64_t token);
  /// Takes over the rows of the first `tokens` tokens, which must exist. This one must be empty.
  void share_prefix(const HiddenRows& other, int64_t tokens);
  /// Of the chunks with rows; shared ones count in each.
  size_t bytes() const { return bytes_; }

 private:
  static constexpr int64_t kChunkRows = 64;
  struct Chunk {
    std::shared_ptr<kernels::Buffer> buffer;
    uint64_t used = 0;  // one bit per row
  };

  std::shared_ptr<kernels::Buffer> allocate() const;

  const kernels::Backend* backend_;
  int64_t hidden_size_;
  std::vector<Chunk> chunks_;
  std::shared_ptr<kernels::Buffer> spare_;
  size_t bytes_ = 0;
};

}  // namespace lazyllm::lazy
