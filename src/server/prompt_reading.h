// SPDX-License-Identifier: Apache-2.0
// What is said of a prompt itself: dense jobs of the scheduler like any other, with their promise
// of memory, cancelled when `peer_gone` says so.
// Errors of all: as Scheduler::submit; RequestError 499 if the client went away.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "lazyllm/scheduler.h"

namespace lazyllm::server {

/// Log-probability of each token of a prompt behind those before it, and the `top` best instead of
/// it; the first token has none (NaN).
std::vector<AnswerToken> prompt_logprobs(Scheduler& scheduler, std::span<const TokenId> tokens,
                                         int top, const std::function<bool()>& peer_gone);

/// [hidden_size], not normalised; with `of_tokens` [tokens][hidden_size].
std::vector<float> prompt_embedding(Scheduler& scheduler, std::span<const TokenId> tokens,
                                    Pooling pooling, bool of_tokens,
                                    const std::function<bool()>& peer_gone);

/// What is asked of the attention within a prompt.
std::vector<HeadAttention> attention_of(Scheduler& scheduler, std::span<const TokenId> tokens,
                                        const AttentionQuestion& question,
                                        const std::function<bool()>& peer_gone);

}  // namespace lazyllm::server
