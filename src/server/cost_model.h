// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "lazyllm/model.h"
#include "lazyllm/session.h"

namespace lazyllm::server {

/// The operations of a prefill: matrix products and attention.
struct RunWork {
  double linear = 0.0, attention = 0.0;
};

/// What a dense prefill would have cost: the time of this machine's linear and attention work,
/// scaled by the work of a prefill that carries all tokens through all layers. Thread-safe.
class CostModel {
 public:
  explicit CostModel(std::shared_ptr<const Model> model);

  /// What the prefill of a run computed, without what came from the cache.
  RunWork work(const Statistics& run, int64_t cached_tokens) const;

  /// Time to first token of a dense run without cache; nothing before a first measurement.
  /// `ttft_ms`: the run's, without its wait in the queue.
  std::optional<double> dense_ttft_ms(const Statistics& run, double ttft_ms, int64_t cached_tokens);

 private:
  struct Rate {
    double linear = 0.0, attention = 0.0;  // ms per operation
  };

  std::shared_ptr<const Model> model_;
  std::mutex mutex_;
  std::optional<Rate> last_;  // of the last run that was long enough
};

}  // namespace lazyllm::server
