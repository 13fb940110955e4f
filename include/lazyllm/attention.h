// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>

#include "lazyllm/model.h"

namespace lazyllm {

/// The last token's attention over all tokens [tokens], mean over the heads: the importance score
/// of the paper's Eq. 1. `layer` is 1-based.
using AttentionSink = std::function<void(int layer, std::span<const float> scores)>;

/// A dense pass over `tokens` that shows where the next token's prediction looks in each
/// full-attention layer but the last, whose score no pruning could use.
/// Errors: Error(invalid_input) for no tokens or ids out of range, Error(context_full).
void last_token_attention(const Model& model, std::span<const TokenId> tokens,
                          const AttentionSink& sink);

}  // namespace lazyllm
