// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "lazyllm/model.h"
#include "lazyllm/prefill_cost.h"
#include "lazyllm/session.h"

namespace lazyllm::server {

/// What a dense prefill would have cost: the time of this machine's linear and attention work,
/// scaled by the work of a prefill that carries all tokens through all layers. Thread-safe.
class CostModel {
 public:
  explicit CostModel(std::shared_ptr<const Model> model);

  /// What the prefill of a run computed, without what came from the cache.
  PrefillOperations work(const Statistics& run, CachedPrefix cached) const;

  /// Time to first token of a dense run that finds `dense_cached` in the cache; nothing before a
  /// first measurement. `ttft_ms`: the run's, without its wait in the queue; `cached`: what that
  /// found.
  std::optional<double> dense_ttft_ms(const Statistics& run, double ttft_ms, CachedPrefix cached,
                                      CachedPrefix dense_cached = {});

 private:
  std::shared_ptr<const Model> model_;
  std::mutex mutex_;
  PrefillRates rates_;
};

}  // namespace lazyllm::server
