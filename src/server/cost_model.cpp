// SPDX-License-Identifier: Apache-2.0
#include "server/cost_model.h"

#include <algorithm>

namespace lazyllm::server {
namespace {
// Fewer rows wait for memory rather than compute, so their time says nothing about many.
constexpr int64_t kFewestRows = 64;
}  // namespace

CostModel::CostModel(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

RunWork CostModel::work(const Statistics& run, int64_t cached_tokens) const {
  const std::vector<int64_t>& kept = run.kept_per_layer;
  if (kept.empty()) return {};
  // In the layers before the first pruning a cached token cost nothing; after it all was computed.
  std::vector<int64_t> cached(kept.size(), 0);
  for (size_t layer = 0; layer < kept.size() && kept[layer] == run.prompt_tokens; ++layer) {
    cached[layer] = cached_tokens;
  }
  const PrefillWork whole = model_->prefill_work(kept);
  const PrefillWork spared = model_->prefill_work(cached);
  const PrefillWork constant = model_->prefill_work(std::vector<int64_t>(kept.size(), 0));
  return {whole.linear() - (spared.linear() - constant.linear()),
          whole.attention - (spared.attention - constant.attention)};
}

std::optional<double> CostModel::dense_ttft_ms(const Statistics& run, double ttft_ms,
                                               int64_t cached_tokens) {
  if (run.kept_per_layer.empty()) return std::nullopt;
  const PrefillWork dense =
      model_->prefill_work(std::vector<int64_t>(run.kept_per_layer.size(), run.prompt_tokens));
  const RunWork done = work(run, cached_tokens);

  const std::lock_guard lock(mutex_);
  const bool measured =
      run.prompt_tokens - cached_tokens >= kFewestRows && done.linear > 0.0 && done.attention > 0.0;
  if (measured) last_ = Rate{run.linear_ms / done.linear, run.attention_ms / done.attention};
  if (!last_) return std::nullopt;
  const double rest = ttft_ms - run.linear_ms - run.attention_ms - run.pruning_ms;
  return std::max(rest, 0.0) + last_->linear * dense.linear() + last_->attention * dense.attention;
}

}  // namespace lazyllm::server
