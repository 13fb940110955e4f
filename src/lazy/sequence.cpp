// SPDX-License-Identifier: Apache-2.0
#include "lazy/sequence.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::lazy {

Sequence::Sequence(const model::Transformer& transformer, CacheTypes cache_types)
    : transformer_(&transformer) {
  const model::Hyperparameters& h = transformer.hyperparameters();
  for (int stage = 0; stage < transformer.stages(); ++stage) {
    hidden_.emplace_back(transformer.stage(stage).backend(), h.hidden_size);
  }
  const bool q8 =
      cache_types.k == kernels::CacheType::q8_0 || cache_types.v == kernels::CacheType::q8_0;
  int odd_head = 0;
  for (int l = 0; l < h.kv_layers(); ++l) {
    if (!h.convolves(l) && h.head_dim_of(l) % 32 != 0) odd_head = h.head_dim_of(l);
  }
  if (q8 && odd_head != 0) {
    fail(ErrorCode::unsupported,
         "a q8_0 cache needs heads of a multiple of 32 values, this model has {}; use f16",
         odd_head);
  }
  kv_.reserve(static_cast<size_t>(h.kv_layers()));
  for (int layer = 0; layer < h.kv_layers(); ++layer) {
    kv_.emplace_back(transformer.at(layer).backend(),
                     h.cache_layout(layer, cache_types.k, cache_types.v));
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
  for (int64_t token = size; token < this->size(); ++token) release_row(token);
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
  if (depth == layers()) {
    release_row(token);
  } else if (depth > 1 &&
             transformer_->stage_at_depth(depth) != transformer_->stage_at_depth(depth - 1)) {
    hidden(depth - 1).release(token);  // the row went on to another stage
  }
}

float* Sequence::set_back(int64_t token, int depth) {
  LAZYLLM_CHECK(depth <= this->depth(token) && depth < layers());
  for (int layer = depth; layer < layers(); ++layer) kv(layer).release(token);
  depth_[static_cast<size_t>(token)] = depth;
  release_row(token);
  return depth > 0 ? hidden(depth).acquire(token) : nullptr;
}

void Sequence::freeze(int64_t token) {
  frozen_[static_cast<size_t>(token)] = 1;
  any_frozen_ = true;
  release_row(token);
}

void Sequence::release_row(int64_t token) {
  for (HiddenRows& rows : hidden_) rows.release(token);
}

size_t Sequence::kv_bytes() const {
  size_t sum = 0;
  for (const KvCache& cache : kv_) sum += cache.bytes();
  return sum;
}

size_t Sequence::aux_bytes() const {
  size_t sum = 0;
  for (const HiddenRows& rows : hidden_) sum += rows.bytes();
  return sum;
}

}  // namespace lazyllm::lazy
