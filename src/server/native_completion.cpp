// SPDX-License-Identifier: Apache-2.0
#include "server/native_completion.h"

#include <cmath>

#include "server/answer_figures.h"
#include "server/completion_endpoints.h"
#include "server/prompt_request.h"
#include "server/response_format.h"
#include "server/statistics_json.h"
#include "server/stop_word.h"
#include "text/unicode.h"

namespace lazyllm::server {
namespace {

constexpr int64_t kMostProbabilities = 1000;

/// `sampled`: with the probability itself.
Json token_json(const Model& model, TokenId token, float logprob, bool sampled) {
  const std::string piece = model.piece(token, /*special=*/true);
  Json bytes = Json::array();
  for (const char c : piece) bytes.push_back(static_cast<unsigned char>(c));
  constexpr double kLeast = -9999.0;  // JSON has no infinity
  Json json = {
      {"id", token}, {"token", text::replace_invalid_utf8(piece)}, {"bytes", std::move(bytes)}};
  if (sampled) {
    json["prob"] = std::exp(static_cast<double>(logprob));
  } else {
    json["logprob"] = std::max(static_cast<double>(logprob), kLeast);
  }
  return json;
}

/// As the model has them, or (post_sampling_probs) as tokens were drawn.
Json probabilities(const AnswerRecord& record, const std::vector<AnswerToken>& tokens) {
  const Model& model = *record.service.model;
  const bool sampled = record.request.answer.sampled_logprobs;
  const char* const others = sampled ? "top_probs" : "top_logprobs";
  Json list = Json::array();
  for (const AnswerToken& token : tokens) {
    Json item = token_json(model, token.token, token.logprob, sampled);
    item[others] = Json::array();
    for (const TokenLogprob& other : token.top)
      item[others].push_back(token_json(model, other.token, other.logprob, sampled));
    list.push_back(std::move(item));
  }
  return list;
}

/// "a/b" of an object, under that name; what is not there is left out.
Json only(const Json& json, const std::vector<std::string>& fields) {
  Json chosen = Json::object();
  for (const std::string& field : fields) {
    const Json* value = &json;
    for (size_t begin = 0; value != nullptr && begin <= field.size();) {
      const size_t end = std::min(field.find('/', begin), field.size());
      const auto found =
          value->is_object() ? value->find(field.substr(begin, end - begin)) : value->end();
      value = value->is_object() && found != value->end() ? &*found : nullptr;
      begin = end + 1;
    }
    if (value != nullptr) chosen[field] = *value;
  }
  return chosen;
}

}  // namespace

NativeForm parse_native_form(const Fields& body) {
  NativeForm form;
  form.tokens = body.boolean("return_tokens").value_or(false);
  if (const Json* fields = body.array("response_fields")) {
    for (const Json& field : *fields) form.fields.push_back(to_text(field, "response_fields"));
  }
  return form;
}

namespace {

/// llama-server tells `ignore_eos` as biases.
void add_ends_of_generation(const ModelService& service, Json& biases) {
  for (TokenId token = 0; token < service.info.vocabulary_size; ++token) {
    if (service.model->is_end_of_generation(token)) {
      biases.push_back({{"token", token}, {"bias", nullptr}});
    }
  }
}

}  // namespace

Json generation_settings(const ModelService& service, const GenerationRequest& request,
                         uint64_t seed) {
  const GenerationOptions& g = request.answer.generation;
  const SamplingOptions& s = g.sampling;
  Json biases = Json::array();
  for (const LogitBias& bias : s.logit_bias) {
    const bool forbidden = std::isinf(bias.bias);
    biases.push_back({{"token", bias.token}, {"bias", forbidden ? Json(false) : Json(bias.bias)}});
  }
  if (g.ignore_eos) add_ends_of_generation(service, biases);
  return {{"seed", seed},
          {"temperature", s.temperature},
          {"dynatemp_range", 0.0},
          {"dynatemp_exponent", 1.0},
          {"top_k", s.top_k},
          {"top_p", s.top_p},
          {"min_p", s.min_p},
          {"top_n_sigma", -1.0},
          {"xtc_probability", 0.0},
          {"xtc_threshold", 0.1},
          {"typical_p", 1.0},
          {"repeat_last_n", s.repeat_last_n},
          {"repeat_penalty", s.repeat_penalty},
          {"presence_penalty", s.presence_penalty},
          {"frequency_penalty", s.frequency_penalty},
          {"dry_multiplier", 0.0},
          {"mirostat", 0},
          {"adaptive_target", -1.0},
          {"adaptive_decay", 0.9},
          {"stop", g.stop},
          {"max_tokens", g.max_tokens},
          {"n_predict", g.max_tokens},
          {"n_keep", 0},
          {"n_discard", 0},
          {"ignore_eos", g.ignore_eos},
          {"stream", request.stream},
          {"logit_bias", std::move(biases)},
          {"n_probs", std::max(request.answer.top_logprobs, 0)},
          {"min_keep", 0},
          {"samplers", {"penalties", "top_k", "top_p", "min_p", "temperature"}},
          {"timings_per_token", request.timings_per_token},
          {"post_sampling_probs", request.answer.sampled_logprobs},
          {"lora", Json::array()}};
}

Json NativeWriter::final(const AnswerRecord& record, const ChoiceRecord& choice,
                         bool streamed) const {
  const Choice& written = choice.choice;
  const AnswerEnd& end = *choice.end;
  const Model& model = *record.service.model;
  const std::optional<std::string> word = stop_word(record, choice);
  const bool limit = end.reason == FinishReason::length;
  const std::vector<TokenId>& prompt = record.prompts[choice.prompt].tokens;
  const int64_t most = record.request.answer.generation.max_tokens;
  Json json = {
      {"index", written.index},
      {"content", streamed ? std::string() : written.text},
      {"tokens", form_.tokens && !streamed ? Json(written.ids) : Json::array()},
      {"id_slot", -1},
      {"stop", true},
      {"model", record.service.name},
      {"tokens_predicted", end.statistics.generated_tokens},
      {"tokens_evaluated", prompt.size()},
      {"generation_settings", generation_settings(record.service, record.request, choice.seed)},
      {"prompt", model.detokenize(prompt, /*special=*/true)},
      {"has_new_line", written.text.find('\n') != std::string::npos},
      // The context, not the request, put an end to it.
      {"truncated", limit && (most < 0 || end.statistics.generated_tokens < most)},
      {"stop_type", limit  ? "limit"
                    : word ? "word"
                           : "eos"},
      {"stopping_word", word.value_or("")},
      {"tokens_cached", prompt.size() + static_cast<size_t>(end.statistics.generated_tokens)},
      {"timings", timings_json(end)},
      {"lazy", lazy_json(end, record.service.info, *record.service.cost)}};
  if (end.tokens) json["lazy"]["tokens"] = tokens_json(model, prompt, *end.tokens);
  if (record.request.answer.top_logprobs >= 0 && !streamed)
    json["completion_probabilities"] = probabilities(record, written.tokens);
  return form_.fields.empty() ? json : only(json, form_.fields);
}

Json NativeWriter::whole(const AnswerRecord& record) {
  if (record.choices.size() == 1) return final(record, record.choices[0], /*streamed=*/false);
  Json list = Json::array();
  for (const ChoiceRecord& choice : record.choices)
    list.push_back(final(record, choice, /*streamed=*/false));
  return list;
}

Json NativeWriter::chunk(const AnswerRecord& record, const ChoiceRecord& choice) const {
  Json json = {{"index", choice.choice.index},
               {"content", ""},
               {"tokens", Json::array()},
               {"stop", false},
               {"id_slot", -1},
               {"tokens_predicted", choice.generated_tokens},
               {"tokens_evaluated", record.prompts[choice.prompt].tokens.size()}};
  if (record.request.timings_per_token) json["timings"] = timings_json(record, choice);
  return json;
}

std::string NativeWriter::progress(const AnswerRecord& record, const ChoiceRecord& choice,
                                   const PromptProgress& progress) {
  Json json = chunk(record, choice);
  json["prompt_progress"] = progress_json(progress);
  return event_text(json);
}

std::string NativeWriter::delta(const AnswerRecord& record, const ChoiceRecord& choice,
                                const Delta& delta) {
  std::string text;
  if (!delta.ids.empty() || !delta.text.empty()) {
    Json json = chunk(record, choice);
    json["content"] = delta.text;
    json["tokens"] = delta.ids;
    if (!delta.tokens.empty())
      json["completion_probabilities"] = probabilities(record, delta.tokens);
    text += event_text(json);
  }
  if (delta.finish_reason) text += event_text(final(record, choice, /*streamed=*/true));
  return text;
}

std::string NativeWriter::error(const RequestError& error) const {
  return "data: " + error.to_json() + "\n\n";
}

AnswerJob native_job(ModelService& service, Exchange& exchange, const Fields& body,
                     RequestKind kind) {
  AnswerJob job;
  job.request = parse_common(service, exchange, body, kind);
  const int64_t probabilities = body.integer("n_probs", 0, kMostProbabilities).value_or(0);
  job.request.answer.top_logprobs = probabilities > 0 ? static_cast<int>(probabilities) : -1;
  job.request.answer.sampled_logprobs = body.boolean("post_sampling_probs").value_or(false);
  job.make_constraint = parse_answer_form(body, service.model);
  job.writer = std::make_unique<NativeWriter>(parse_native_form(body));
  return job;
}

void answer_native_completion(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  AnswerJob job = native_job(service, exchange, body, RequestKind::native);
  job.prompts = parse_prompts(service, body);
  answer(service, exchange, std::move(job));
}

}  // namespace lazyllm::server
