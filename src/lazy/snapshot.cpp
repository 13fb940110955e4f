// SPDX-License-Identifier: Apache-2.0
#include "lazy/snapshot.h"

#include "base/error.h"

namespace lazyllm::lazy {

Snapshot::Snapshot(const model::Transformer& transformer, int depth)
    : transformer_(transformer),
      depth_(depth),
      hidden_(transformer.backend(), transformer.hyperparameters().hidden_size) {}

void Snapshot::record(const Sequence& sequence) {
  const int64_t hidden_size = transformer_.hyperparameters().hidden_size;
  for (int64_t token = size(); token < sequence.size(); ++token) {
    LAZYLLM_CHECK(sequence.depth(token) == depth_);
    if (depth_ < sequence.layers()) {
      const float* const from[] = {sequence.hidden().row(token)};
      transformer_.backend().gather(from, {hidden_.acquire(token), 1, hidden_size, hidden_size});
    }
    tokens_.push_back(sequence.tokens()[static_cast<size_t>(token)]);
  }
}

void Snapshot::take(Sequence&& sequence) {
  sequence.truncate(size());
  kv_.clear();
  for (int layer = 0; layer < depth_; ++layer) kv_.push_back(std::move(sequence.kv(layer)));
}

void Snapshot::truncate(int64_t count) {
  LAZYLLM_CHECK(kv_.empty());
  for (int64_t token = count; token < size(); ++token) hidden_.release(token);
  if (count < size()) tokens_.resize(static_cast<size_t>(count));
}

size_t Snapshot::bytes() const {
  size_t sum = hidden_.bytes() + tokens_.capacity() * sizeof(int32_t);
  for (const KvCache& cache : kv_) sum += cache.bytes();
  return sum;
}

void Snapshot::restore(int64_t count, Sequence& sequence) const {
  LAZYLLM_CHECK(sequence.size() == 0 && count <= size() && std::ssize(kv_) == depth_);
  sequence.append(std::span(tokens_).first(static_cast<size_t>(count)));
  for (int layer = 0; layer < depth_; ++layer) {
    sequence.kv(layer).copy_prefix(kv_[static_cast<size_t>(layer)], count);
  }
  const int64_t hidden_size = transformer_.hyperparameters().hidden_size;
  for (int64_t token = 0; token < count; ++token) {
    if (depth_ < sequence.layers()) {
      const float* const from[] = {hidden_.row(token)};
      float* const to = sequence.hidden().acquire(token);
      transformer_.backend().gather(from, {to, 1, hidden_size, hidden_size});
    }
    sequence.place(token, depth_);
  }
}

}  // namespace lazyllm::lazy
