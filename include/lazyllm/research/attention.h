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

/// Where a prompt is looked at from, in one layer.
struct AnswerAttention {
  int layer = 0;  ///< 1-based
  /// [heads][prompt]: by the prompt's last token, head by head, each pooled as a score would be.
  /// All that pruning can see.
  std::span<const float> seen;
  /// [prompt]: by the last token and the answer's, mean over heads and tokens. What will be needed.
  std::span<const float> needed;
};
using AnswerAttentionSink = std::function<void(const AnswerAttention&)>;

/// A dense pass over the prompt and its answer; the layers of last_token_attention().
/// `pool`: neighbours, as PruningOptions::score_pool. Errors: as there.
void answer_attention(const Model& model, std::span<const TokenId> prompt,
                      std::span<const TokenId> answer, int pool, const AnswerAttentionSink& sink);

}  // namespace lazyllm
