// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace lazyllm {

/// log(sum(exp(logits))), in double precision; what is taken off a logit to make a log-probability.
inline double log_sum_exp(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

/// Natural logarithm of the probability of one entry.
inline double log_softmax(std::span<const float> logits, size_t index) {
  return static_cast<double>(logits[index]) - log_sum_exp(logits);
}

}  // namespace lazyllm
