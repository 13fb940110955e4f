// SPDX-License-Identifier: Apache-2.0
#include "engine/prefill_cost.h"

#include <algorithm>

#include "lazy/selection.h"

namespace lazyllm {
namespace {
constexpr int64_t kFewestRows = 64;
}  // namespace

PrefillOperations prefill_operations(const Model& model, std::span<const int64_t> set_sizes,
                                     CachedPrefix cached) {
  if (set_sizes.empty()) return {};
  std::vector<int64_t> spared(set_sizes.size(), 0);
  const size_t depth = std::min(static_cast<size_t>(cached.depth), set_sizes.size());
  for (size_t layer = 0; layer < depth && set_sizes[layer] == set_sizes[0]; ++layer) {
    spared[layer] = cached.tokens;
  }
  const PrefillWork whole = model.prefill_work(set_sizes);
  const PrefillWork saved = model.prefill_work(spared);
  const PrefillWork constant = model.prefill_work(std::vector<int64_t>(set_sizes.size(), 0));
  return {whole.linear() - (saved.linear() - constant.linear()),
          whole.attention - (saved.attention - constant.attention)};
}

void PrefillRates::note(const PrefillOperations& done, int64_t rows, double linear_ms,
                        double attention_ms) {
  if (rows < kFewestRows || done.linear <= 0.0 || done.attention <= 0.0) return;
  if (linear_ms <= 0.0 || attention_ms <= 0.0) return;
  linear_ms_ = linear_ms / done.linear;
  attention_ms_ = attention_ms / done.attention;
  measured_ = true;
}

}  // namespace lazyllm

namespace lazyllm::engine {

std::vector<int64_t> expected_set_sizes(const lazy::Policy& policy, int64_t tokens,
                                        int64_t protected_tokens, int layers) {
  std::vector<int64_t> sizes;
  int64_t size = tokens;
  for (int layer = 0; layer < layers; ++layer) {
    if (layer > 0) {
      if (const auto keep = policy.keep_after(layer, lazy::StepKind::prompt)) {
        size = std::min(size, std::max(lazy::kept_count(*keep, size), protected_tokens));
      }
    }
    sizes.push_back(size);
  }
  return sizes;
}

int exact_depth(const lazy::Policy& policy, int layers) {
  for (int layer = 1; layer < layers; ++layer) {
    if (policy.keep_after(layer, lazy::StepKind::prompt)) return layer;
  }
  return layers;
}

}  // namespace lazyllm::engine
