// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lazy/kv_cache.h"
#include "model/transformer.h"

namespace lazyllm::engine {

/// Memory of so many tokens when all are carried through all layers: keys, values, and
/// `hidden_rows` float rows each. Memory comes in blocks, so the tokens are rounded up.
inline uint64_t sequence_bytes(const model::Hyperparameters& h, lazy::CacheTypes types,
                               int64_t tokens, uint64_t hidden_rows) {
  constexpr int64_t kGranule = kernels::kKvBlockSlots;
  const auto blocks = static_cast<uint64_t>((tokens + kGranule - 1) / kGranule);
  uint64_t kv = 0;
  for (int l = 0; l < h.kv_layers(); ++l) {
    kv += h.cache_layout(l, types.k, types.v).block_bytes();
  }
  const uint64_t row = static_cast<uint64_t>(h.hidden_size) * sizeof(float);
  return blocks * (kv + hidden_rows * row * kGranule);
}

}  // namespace lazyllm::engine
