// SPDX-License-Identifier: Apache-2.0
#include "lazy/snapshot.h"

#include "base/error.h"

namespace lazyllm::lazy {

Snapshot::Snapshot(const model::Transformer& transformer, int depth, const AttentionForm& attention,
                   int64_t most)
    : transformer_(transformer),
      depth_(depth),
      attention_(attention),
      most_(most),
      hidden_(transformer.stage(transformer.stage_at_depth(depth)).backend(),
              transformer.hyperparameters().hidden_size) {}

void Snapshot::inherit(const Snapshot& other, int64_t count) {
  LAZYLLM_CHECK(size() == 0 && count <= other.size());
  // In every build: rows filed under another depth would be wrong answers later.
  if (depth_ != other.depth_) {
    fail(ErrorCode::internal, "a snapshot of depth {} cannot inherit rows of depth {}", depth_,
         other.depth_);
  }
  tokens_.assign(other.tokens_.begin(), other.tokens_.begin() + count);
  if (has_hidden()) hidden_.share_prefix(other.hidden_, count);
}

void Snapshot::record(const Sequence& sequence) {
  const int64_t hidden_size = transformer_.hyperparameters().hidden_size;
  const int64_t end = std::min(sequence.size(), most_);
  for (int64_t token = size(); token < end; ++token) {
    if (sequence.depth(token) != depth_) {
      fail(ErrorCode::internal, "token {} stands at depth {}, its snapshot at {}", token,
           sequence.depth(token), depth_);
    }
    if (has_hidden()) {
      const float* const from[] = {sequence.hidden(depth_).row(token)};
      transformer_.at(depth_ - 1)
          .backend()
          .gather(from, {hidden_.acquire(token), 1, hidden_size, hidden_size});
    }
    tokens_.push_back(sequence.tokens()[static_cast<size_t>(token)]);
  }
}

void Snapshot::truncate(int64_t size) {
  for (int64_t token = size; has_hidden() && token < this->size(); ++token) hidden_.release(token);
  if (size < this->size()) tokens_.resize(static_cast<size_t>(size));
}

void Snapshot::take(Sequence&& sequence) {
  sequence.truncate(size());
  kv_.clear();
  for (int layer = 0; layer < depth_; ++layer) kv_.push_back(std::move(sequence.kv(layer)));
}

void Snapshot::share(const Sequence& sequence) {
  kv_.clear();
  for (int layer = 0; layer < depth_; ++layer) {
    kv_.push_back(sequence.kv(layer));
    kv_.back().truncate(size());
  }
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
    sequence.kv(layer).share_prefix(kv_[static_cast<size_t>(layer)], count);
  }
  if (has_hidden()) sequence.hidden(depth_).share_prefix(hidden_, count);
  for (int64_t token = 0; token < count; ++token) sequence.place(token, depth_);
}

void Snapshot::store(const std::function<void(std::span<const std::byte>)>& sink) const {
  std::vector<float> values;
  const auto send = [&](int layer, const float* from, size_t count) {
    values.resize(count);
    transformer_.at(layer).backend().download(from, values.data(), count);
    sink(std::as_bytes(std::span(values)));
  };
  const auto hidden_size = static_cast<size_t>(transformer_.hyperparameters().hidden_size);
  for (int64_t token = 0; has_hidden() && token < size(); ++token) {
    send(depth_ - 1, hidden_.row(token), hidden_size);
  }
  for (int layer = 0; layer < depth_; ++layer) {
    for (const auto& block : kv(layer).blocks()) {
      send(layer, block->floats(), block->bytes() / sizeof(float));
    }
  }
}

void Snapshot::load(std::span<const int32_t> tokens, CacheTypes cache_types,
                    const std::function<void(std::span<std::byte>)>& source) {
  LAZYLLM_CHECK(tokens_.empty() && kv_.empty());
  tokens_.assign(tokens.begin(), tokens.end());
  std::vector<float> values;
  const auto receive = [&](int layer, float* to, size_t count) {
    values.resize(count);
    source(std::as_writable_bytes(std::span(values)));
    transformer_.at(layer).backend().upload(values.data(), to, count);
  };
  const auto hidden_size = static_cast<size_t>(transformer_.hyperparameters().hidden_size);
  for (int64_t token = 0; has_hidden() && token < size(); ++token) {
    receive(depth_ - 1, hidden_.acquire(token), hidden_size);
  }
  Sequence sequence(transformer_, cache_types);
  for (int layer = 0; layer < depth_; ++layer) {
    KvCache& cache = sequence.kv(layer);
    for (int64_t token = 0; token < size(); ++token) cache.acquire(token);
    for (const auto& block : cache.blocks()) {
      receive(layer, block->floats(), block->bytes() / sizeof(float));
    }
    kv_.push_back(std::move(cache));
  }
}

}  // namespace lazyllm::lazy
