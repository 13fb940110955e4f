// SPDX-License-Identifier: Apache-2.0
#include "server/prompt_logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <numeric>

#include "lazyllm/session.h"

namespace lazyllm::server {
namespace {

std::vector<TokenId> best_tokens(std::span<const float> logits, int count) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto middle =
      order.begin() + std::min<std::ptrdiff_t>(count, static_cast<std::ptrdiff_t>(order.size()));
  std::partial_sort(order.begin(), middle, order.end(), [&](TokenId a, TokenId b) {
    const float left = logits[static_cast<size_t>(a)], right = logits[static_cast<size_t>(b)];
    return left != right ? left > right : a < b;
  });
  order.erase(middle, order.end());
  return order;
}

}  // namespace

std::vector<AnswerToken> prompt_logprobs(const std::shared_ptr<const Model>& model,
                                         std::span<const TokenId> tokens, int top) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  std::vector<AnswerToken> result(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    result[i].token = tokens[i];
    result[i].logprob = std::numeric_limits<float>::quiet_NaN();
  }
  if (tokens.size() < 2) return result;
  SessionOptions options;
  options.pruning.policy = "dense";
  Session session(model, options);
  std::vector<int32_t> positions(tokens.size() - 1);
  std::iota(positions.begin(), positions.end(), 0);
  session.logits(tokens, positions, [&](int64_t position, std::span<const float> logits) {
    const float most = *std::max_element(logits.begin(), logits.end());
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit - most));
    const auto offset = static_cast<float>(most + std::log(sum));
    AnswerToken& next = result[static_cast<size_t>(position) + 1];
    next.logprob = logits[static_cast<size_t>(next.token)] - offset;
    for (const TokenId token : best_tokens(logits, top)) {
      next.top.push_back({token, logits[static_cast<size_t>(token)] - offset});
    }
  });
  return result;
}

}  // namespace lazyllm::server
