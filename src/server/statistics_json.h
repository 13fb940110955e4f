// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "lazyllm/scheduler.h"
#include "server/cost_model.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// Time to first token from the start of the work, without the wait in the queue.
double work_ttft_ms(const AnswerEnd& end);

/// llama-server's object "timings".
Json timings_json(const AnswerEnd& end);

/// The object "lazy": what was computed, kept and revived, and what it would have cost dense.
Json lazy_json(const AnswerEnd& end, const ModelInfo& model, CostModel& cost);

/// Its member "tokens": text and depth of each token of the prompt.
Json tokens_json(const Model& model, std::span<const TokenId> prompt, const TokenReport& report);

/// Text of each token. The bytes of a character that several tokens share go to the last of them,
/// bytes that are no UTF-8 become U+FFFD, so that the pieces joined are the prompt.
std::vector<std::string> text_pieces(const Model& model, std::span<const TokenId> tokens);

}  // namespace lazyllm::server
