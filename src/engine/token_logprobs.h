// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "lazyllm/scheduler.h"

namespace lazyllm::engine {

/// The `count` most probable tokens, by descending probability, ties to the lower id.
/// `log_sum`: log_sum_exp(logits).
std::vector<TokenLogprob> best_tokens(std::span<const float> logits, double log_sum, int count);

}  // namespace lazyllm::engine
