// SPDX-License-Identifier: Apache-2.0
#include "server/cost_model.h"

#include <algorithm>

namespace lazyllm::server {

CostModel::CostModel(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

PrefillOperations CostModel::work(const Statistics& run, CachedPrefix cached) const {
  return prefill_operations(*model_, run.kept_per_layer, cached);
}

std::optional<double> CostModel::dense_ttft_ms(const Statistics& run, double ttft_ms,
                                               CachedPrefix cached, CachedPrefix dense_cached) {
  if (run.kept_per_layer.empty()) return std::nullopt;
  const std::vector<int64_t> all(run.kept_per_layer.size(), run.prompt_tokens);
  const PrefillOperations dense = prefill_operations(*model_, all, dense_cached);

  const std::lock_guard lock(mutex_);
  PrefillOperations done = work(run, cached);
  done.attention *= run.attention_share;
  rates_.note(done, run.prompt_tokens - cached.tokens, run.linear_ms, run.attention_ms);
  if (!rates_.measured()) return std::nullopt;
  const double rest = ttft_ms - run.linear_ms - run.attention_ms - run.pruning_ms;
  return std::max(rest, 0.0) + rates_.milliseconds(dense);
}

}  // namespace lazyllm::server
