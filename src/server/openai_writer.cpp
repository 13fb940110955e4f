// SPDX-License-Identifier: Apache-2.0
#include "server/openai_writer.h"

#include <algorithm>
#include <utility>

#include "server/answer_figures.h"

namespace lazyllm::server {
namespace {

Json usage_json(const AnswerRecord& record) {
  const TokenUsage usage = record.usage();
  return {{"prompt_tokens", usage.prompt},
          {"completion_tokens", usage.generated},
          {"total_tokens", usage.prompt + usage.generated},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached}}}};
}

bool says_something(const Delta& delta) {
  const bool calls = std::any_of(delta.calls.begin(), delta.calls.end(), [](const auto& piece) {
    return piece.begins || !piece.arguments.empty();
  });
  return !delta.reasoning.empty() || !delta.text.empty() || calls || !delta.tokens.empty();
}

}  // namespace

Json OpenAiWriter::frame(const AnswerRecord& record, const char* object) const {
  return {{"id", shape_->id_prefix() + record.id},
          {"object", object},
          {"created", static_cast<int64_t>(record.created)},
          {"model", record.service.name},
          {"system_fingerprint", record.service.fingerprint},
          {"choices", Json::array()}};
}

Json OpenAiWriter::chunk(const AnswerRecord& record) const {
  Json chunk = frame(record, shape_->chunk_object());
  if (record.request.include_usage) chunk["usage"] = nullptr;  // the last one has it
  return chunk;
}

Json OpenAiWriter::whole(const AnswerRecord& record) {
  Json json = frame(record, shape_->object());
  for (const ChoiceRecord& choice : record.choices)
    json["choices"].push_back(shape_->choice(choice.choice));
  json["usage"] = usage_json(record);
  add_figures(json, record);
  if (record.request.verbose) {
    const std::vector<TokenId>& prompt = record.prompts.front().tokens;
    json["__verbose"] = {{"prompt", record.service.model->detokenize(prompt, /*special=*/true)},
                         {"tokens_evaluated", prompt.size()}};
  }
  return json;
}

std::string OpenAiWriter::progress(const AnswerRecord& record, const ChoiceRecord& choice,
                                   const PromptProgress& progress) {
  Json json = chunk(record);
  json["prompt_progress"] = progress_json(progress);
  if (record.request.timings_per_token) json["timings"] = timings_json(record, choice);
  return event_text(json);
}

std::string OpenAiWriter::delta(const AnswerRecord& record, const ChoiceRecord& choice,
                                const Delta& delta) {
  std::string text;
  const int64_t index = choice.choice.index;
  if (delta.first && names_role_) {
    Json json = chunk(record);
    json["choices"].push_back({{"index", index},
                               {"delta", {{"role", "assistant"}, {"content", nullptr}}},
                               {"logprobs", nullptr},
                               {"finish_reason", nullptr}});
    text += event_text(json);
  }
  // Clients take the chunk with the reason for one without text.
  Delta said = delta, reason;
  reason.finish_reason = std::exchange(said.finish_reason, std::nullopt);
  if (says_something(said) || (delta.first && !names_role_ && !reason.finish_reason)) {
    Json json = chunk(record);
    json["choices"].push_back(shape_->chunk(index, said));
    if (record.request.timings_per_token) json["timings"] = timings_json(record, choice);
    text += event_text(json);
  }
  if (reason.finish_reason) {
    Json json = chunk(record);
    json["choices"].push_back(shape_->chunk(index, reason));
    if (record.complete() && !record.request.include_usage) add_figures(json, record);
    text += event_text(json);
  }
  return text;
}

std::string OpenAiWriter::end(const AnswerRecord& record) {
  std::string text;
  if (record.request.include_usage) {
    Json json = frame(record, shape_->chunk_object());
    json["usage"] = usage_json(record);
    add_figures(json, record);
    text += event_text(json);
  }
  return text + "data: [DONE]\n\n";
}

std::string OpenAiWriter::error(const RequestError& error) const {
  return "data: " + error.to_json() + "\n\n";
}

}  // namespace lazyllm::server
