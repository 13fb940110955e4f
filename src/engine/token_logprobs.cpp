// SPDX-License-Identifier: Apache-2.0
#include "engine/token_logprobs.h"

#include <algorithm>
#include <numeric>

namespace lazyllm::engine {

std::vector<TokenLogprob> best_tokens(std::span<const float> logits, double log_sum, int count) {
  const auto most = std::min(static_cast<size_t>(std::max(count, 0)), logits.size());
  if (most == 0) return {};
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](int32_t a, int32_t b) {
    const float left = logits[static_cast<size_t>(a)], right = logits[static_cast<size_t>(b)];
    return left != right ? left > right : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(most), order.end(), better);
  std::vector<TokenLogprob> top;
  for (size_t i = 0; i < most; ++i) {
    const float logit = logits[static_cast<size_t>(order[i])];
    top.push_back({order[i], static_cast<float>(logit - log_sum)});
  }
  return top;
}

}  // namespace lazyllm::engine
