// SPDX-License-Identifier: Apache-2.0
#include "lazy/sequence.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::lazy {

Sequence::Sequence(const model::Transformer& transformer, CacheTypes cache_types)
    : hidden_(transformer.backend(), transformer.hyperparameters().hidden_size) {
  const model::Hyperparameters& h = transformer.hyperparameters();
  const bool q8 =
      cache_types.k == kernels::CacheType::q8_0 || cache_types.v == kernels::CacheType::q8_0;
  int odd_head = 0;
  for (int l = 0; l < h.layers; ++l) {
    if (!h.convolves(l) && h.head_dim_of(l) % 32 != 0) odd_head = h.head_dim_of(l);
  }
  if (q8 && odd_head != 0) {
    fail(ErrorCode::unsupported,
         "a q8_0 cache needs heads of a multiple of 32 values, this model has {}; use f16",
         odd_head);
  }
  kv_.reserve(static_cast<size_t>(h.layers));
  for (int layer = 0; layer < h.layers; ++layer) {
    kv_.emplace_back(transformer.backend(), h.cache_layout(layer, cache_types.k, cache_types.v));
  }
}

void Sequence::append(std::span<const int32_t> tokens) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  depth_.resize(tokens_.size(), 0);
  frozen_.resize(tokens_.size(), 0);
}

void Sequence::truncate(int64_t size) {
  LAZYLLM_CHECK(size >= 0);
  if (size >= this->size()) return;
  for (int64_t token = size; token < this->size(); ++token) hidden_.release(token);
  for (KvCache& cache : kv_) cache.truncate(size);
  tokens_.resize(static_cast<size_t>(size));
  depth_.resize(static_cast<size_t>(size));
  frozen_.resize(static_cast<size_t>(size));
  any_frozen_ = std::find(frozen_.begin(), frozen_.end(), 1) != frozen_.end();
}

void Sequence::advance(int64_t token) {
  int32_t& depth = depth_[static_cast<size_t>(token)];
  LAZYLLM_CHECK(depth < layers() && kv(depth).slot(token) != KvCache::kNoSlot);
  ++depth;
  ++computed_pairs_;
  if (depth == layers()) hidden_.release(token);
}

float* Sequence::set_back(int64_t token, int depth) {
  LAZYLLM_CHECK(depth <= this->depth(token) && depth < layers());
  for (int layer = depth; layer < layers(); ++layer) kv(layer).release(token);
  depth_[static_cast<size_t>(token)] = depth;
  if (depth > 0) return hidden_.acquire(token);
  hidden_.release(token);
  return nullptr;
}

void Sequence::freeze(int64_t token) {
  frozen_[static_cast<size_t>(token)] = 1;
  any_frozen_ = true;
  hidden_.release(token);
}

size_t Sequence::kv_bytes() const {
  size_t sum = 0;
  for (const KvCache& cache : kv_) sum += cache.bytes();
  return sum;
}

}  // namespace lazyllm::lazy
