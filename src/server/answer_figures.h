// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/answer_record.h"

namespace lazyllm::server {

/// Of one choice, whole or so far.
Json timings_json(const AnswerRecord& record, const ChoiceRecord& choice);

/// "timings" and "lazy" of the first choice, which must be complete.
void add_figures(Json& json, const AnswerRecord& record);

/// "lazy" alone, for protocols that clients hold to their words.
void add_lazy(Json& json, const AnswerRecord& record);

/// llama-server's object "prompt_progress".
Json progress_json(const PromptProgress& progress);

}  // namespace lazyllm::server
