// SPDX-License-Identifier: Apache-2.0
#include "server/answer_record.h"

#include <algorithm>

namespace lazyllm::server {

bool AnswerRecord::complete() const {
  return std::all_of(choices.begin(), choices.end(),
                     [](const ChoiceRecord& choice) { return choice.end.has_value(); });
}

TokenUsage AnswerRecord::usage() const {
  TokenUsage usage;
  size_t last_prompt = prompts.size();
  for (const ChoiceRecord& choice : choices) {
    if (!choice.end) continue;
    usage.generated += choice.end->statistics.generated_tokens;
    if (choice.prompt == last_prompt) continue;  // another choice for the same prompt
    last_prompt = choice.prompt;
    usage.prompt += static_cast<int64_t>(prompts[choice.prompt].tokens.size());
    usage.cached += choice.end->cached_tokens;
  }
  return usage;
}

}  // namespace lazyllm::server
