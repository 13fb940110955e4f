// SPDX-License-Identifier: Apache-2.0
#include "server/answer_figures.h"

#include "server/statistics_json.h"

namespace lazyllm::server {

Json timings_json(const AnswerRecord& record, const ChoiceRecord& choice) {
  if (choice.end) return timings_json(*choice.end);
  using Milliseconds = std::chrono::duration<double, std::milli>;
  // What an end would say of an answer that ended now.
  AnswerEnd end;
  Statistics& s = end.statistics;
  const auto now = std::chrono::steady_clock::now();
  s.prompt_tokens = static_cast<int64_t>(record.prompts[choice.prompt].tokens.size());
  const bool reading = choice.processed && *choice.processed < s.prompt_tokens;
  end.cached_tokens = choice.cached_tokens;
  s.generated_tokens = choice.generated_tokens;
  s.ttft_ms = Milliseconds(choice.first_token.value_or(now) - record.start).count();
  s.total_ms = Milliseconds(now - record.start).count();
  if (reading) {  // what a report says of the prompt so far
    s.prompt_tokens = *choice.processed;
    s.generated_tokens = 0;
    if (s.prompt_tokens == end.cached_tokens) s.ttft_ms = 0.0;  // nothing is computed yet
    s.total_ms = s.ttft_ms;
  }
  return timings_json(end);
}

void add_figures(Json& json, const AnswerRecord& record) {
  json["timings"] = timings_json(*record.choices.front().end);
  add_lazy(json, record);
}

void add_lazy(Json& json, const AnswerRecord& record) {
  const ChoiceRecord& first = record.choices.front();
  const AnswerEnd& end = *first.end;
  json["lazy"] = lazy_json(end, record.service.info, *record.service.cost);
  for (const StableHead::Kept& kept : record.prompts[first.prompt].kept_head) {
    json["lazy"]["stable_head"].push_back({{"asked", kept.asked}, {"computed", kept.computed}});
  }
  if (end.tokens) {
    json["lazy"]["tokens"] =
        tokens_json(*record.service.model, record.prompts[first.prompt].tokens, *end.tokens);
  }
}

Json progress_json(const PromptProgress& progress) {
  return {{"total", progress.total},
          {"cache", progress.cached},
          {"processed", progress.processed},
          {"time_ms", progress.time_ms}};
}

}  // namespace lazyllm::server
