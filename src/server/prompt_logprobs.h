// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "lazyllm/scheduler.h"

namespace lazyllm::server {

/// Log-probability of each token of a prompt behind those before it, and the `top` best instead of
/// it; the first token has none (NaN). A dense job of the scheduler like any other, with its
/// promise of memory; cancelled when `peer_gone` says so.
/// Errors: as Scheduler::submit; RequestError 499 if the client went away.
std::vector<AnswerToken> prompt_logprobs(Scheduler& scheduler, std::span<const TokenId> tokens,
                                         int top, const std::function<bool()>& peer_gone);

}  // namespace lazyllm::server
