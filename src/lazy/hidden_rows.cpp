// SPDX-License-Identifier: Apache-2.0
#include "lazy/hidden_rows.h"

#include "base/error.h"

namespace lazyllm::lazy {

HiddenRows::HiddenRows(const kernels::Backend& backend, int hidden_size)
    : backend_(&backend), hidden_size_(hidden_size) {}

HiddenRows::HiddenRows(const HiddenRows& other)  // all but the spare chunk, which has one owner
    : backend_(other.backend_),
      hidden_size_(other.hidden_size_),
      chunks_(other.chunks_),
      bytes_(other.bytes_) {}

bool HiddenRows::has(int64_t token) const {
  const auto chunk = static_cast<size_t>(token / kChunkRows);
  return chunk < chunks_.size() && (chunks_[chunk].used >> (token % kChunkRows) & 1) != 0;
}

float* HiddenRows::acquire(int64_t token) {
  const auto index = static_cast<size_t>(token / kChunkRows);
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  Chunk& chunk = chunks_[index];
  if (!chunk.buffer) {
    chunk.buffer = spare_ ? std::move(spare_) : allocate();
    bytes_ += chunk.buffer->bytes();
  } else if (chunk.buffer.use_count() > 1) {
    auto own = allocate();
    backend_->copy(*chunk.buffer, *own);
    chunk.buffer = std::move(own);
  }
  chunk.used |= uint64_t{1} << (token % kChunkRows);
  return chunk.buffer->floats() + token % kChunkRows * hidden_size_;
}

float* HiddenRows::row(int64_t token) const {
  LAZYLLM_CHECK(has(token));
  return chunks_[static_cast<size_t>(token / kChunkRows)].buffer->floats() +
         token % kChunkRows * hidden_size_;
}

void HiddenRows::release(int64_t token) {
  if (!has(token)) return;
  Chunk& chunk = chunks_[static_cast<size_t>(token / kChunkRows)];
  chunk.used &= ~(uint64_t{1} << (token % kChunkRows));
  if (chunk.used != 0) return;
  bytes_ -= chunk.buffer->bytes();
  if (!spare_ && chunk.buffer.use_count() == 1) spare_ = std::move(chunk.buffer);
  chunk.buffer.reset();
}

void HiddenRows::share_prefix(const HiddenRows& other, int64_t tokens) {
  LAZYLLM_CHECK(bytes_ == 0);  // places of released rows may be left
  for (int64_t token = 0; token < tokens; ++token) LAZYLLM_CHECK(other.has(token));
  const int64_t count = (tokens + kChunkRows - 1) / kChunkRows;
  chunks_.assign(other.chunks_.begin(), other.chunks_.begin() + count);
  const auto last_rows = static_cast<int>(tokens % kChunkRows);
  for (Chunk& chunk : chunks_) bytes_ += chunk.buffer->bytes();
  for (Chunk& chunk : chunks_) chunk.used = ~uint64_t{0};
  if (last_rows > 0) chunks_.back().used = (uint64_t{1} << last_rows) - 1;
}

std::shared_ptr<kernels::Buffer> HiddenRows::allocate() const {
  const auto values = static_cast<size_t>(kChunkRows * hidden_size_);
  return std::make_shared<kernels::Buffer>(backend_->allocate(values * sizeof(float)));
}

}  // namespace lazyllm::lazy
