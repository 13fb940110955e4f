// SPDX-License-Identifier: Apache-2.0
#include "lazy/hidden_rows.h"

#include "base/error.h"

namespace lazyllm::lazy {

HiddenRows::HiddenRows(const kernels::Backend& backend, int hidden_size)
    : backend_(backend), hidden_size_(hidden_size) {}

bool HiddenRows::has(int64_t token) const {
  const auto chunk = static_cast<size_t>(token / kChunkRows);
  return chunk < chunks_.size() && (chunks_[chunk].used >> (token % kChunkRows) & 1) != 0;
}

float* HiddenRows::acquire(int64_t token) {
  const auto index = static_cast<size_t>(token / kChunkRows);
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  Chunk& chunk = chunks_[index];
  if (!chunk.buffer) {
    chunk.buffer =
        backend_.allocate(static_cast<size_t>(kChunkRows * hidden_size_) * sizeof(float));
    bytes_ += chunk.buffer.bytes();
  }
  chunk.used |= uint64_t{1} << (token % kChunkRows);
  return chunk.buffer.floats() + token % kChunkRows * hidden_size_;
}

float* HiddenRows::row(int64_t token) const {
  LAZYLLM_CHECK(has(token));
  return chunks_[static_cast<size_t>(token / kChunkRows)].buffer.floats() +
         token % kChunkRows * hidden_size_;
}

void HiddenRows::release(int64_t token) {
  if (!has(token)) return;
  Chunk& chunk = chunks_[static_cast<size_t>(token / kChunkRows)];
  chunk.used &= ~(uint64_t{1} << (token % kChunkRows));
  if (chunk.used == 0) {
    bytes_ -= chunk.buffer.bytes();
    chunk.buffer = {};
  }
}

}  // namespace lazyllm::lazy
