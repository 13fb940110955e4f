// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lazyllm/scheduler.h"

namespace lazyllm::server {

/// Log-probability of each token of a prompt behind those before it, and the `top` best instead of
/// it; the first token has none (NaN). A dense pass beside the scheduler, one at a time, which
/// holds keys and values of its own meanwhile.
std::vector<AnswerToken> prompt_logprobs(const std::shared_ptr<const Model>& model,
                                         std::span<const TokenId> tokens, int top);

}  // namespace lazyllm::server
