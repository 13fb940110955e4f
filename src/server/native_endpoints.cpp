// SPDX-License-Identifier: Apache-2.0
#include "server/native_endpoints.h"

#include <fmt/format.h>

#include <array>

#include "lazyllm/policies.h"
#include "lazyllm/version.h"
#include "server/completion_endpoints.h"
#include "server/infill.h"
#include "server/native_completion.h"
#include "text/unicode.h"

namespace lazyllm::server {
namespace {

/// As text where it is text, otherwise as bytes.
Json piece_json(const std::string& piece) {
  if (text::replace_invalid_utf8(piece) == piece) return piece;
  Json bytes = Json::array();
  for (const char c : piece) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json budget_json(const RevivalBudget& budget) {
  return budget.tokens == RevivalBudget::kAll ? Json("all") : Json(budget.tokens);
}

/// What holds for requests that say nothing: flags, then the profile.
Json pruning_json(const RequestDefaults& defaults) {
  const PruningOptions p =
      defaults.profile ? with_profile(defaults.pruning, *defaults.profile) : defaults.pruning;
  return {{"policy", p.policy},
          {"profile", defaults.profile ? Json(defaults.profile->path.filename().string()) : Json()},
          {"prune", p.prune.empty() ? "careful" : p.prune},
          {"score", or_null(p.score)},
          {"score_pool", or_null(p.score_pool)},
          {"keep_mass", or_null(p.keep_mass)},
          {"protect_first", or_null(p.protect_first)},
          {"protect_last", or_null(p.protect_last)},
          {"revive_budget", p.revive_budget ? budget_json(*p.revive_budget) : Json()},
          {"min_prompt", or_null(p.min_prompt)},
          {"attention", or_null(p.attention)}};
}

/// What a page needs to offer choices.
Json lazy_choices() {
  Json json = {{"policies", Json::array()}, {"presets", Json::array()}};
  for (const PolicyInfo& policy : policies()) {
    json["policies"].push_back({{"name", policy.name},
                                {"summary", policy.summary},
                                {"default_schedule", policy.default_schedule}});
  }
  for (const PresetInfo& preset : presets()) {
    json["presets"].push_back({{"name", preset.name},
                               {"summary", preset.summary},
                               {"schedule", preset.schedule},
                               {"score_pool", preset.score_pool},
                               {"protect_first", preset.protect_first},
                               {"protect_last", preset.protect_last},
                               {"revive_budget", budget_json(preset.revive_budget)},
                               {"min_prompt", preset.min_prompt}});
  }
  return json;
}

void list_models(ModelService& service, Exchange& exchange) {
  respond(exchange, {{"object", "list"}, {"data", {model_json(service)}}});
}

void show_model(ModelService& service, Exchange& exchange) {
  if (exchange.path_rest != service.name) {
    throw RequestError(404, "invalid_request_error", "model_not_found",
                       fmt::format("the model \"{}\" is not served here; there is \"{}\"",
                                   exchange.path_rest.substr(0, 200), service.name),
                       "model");
  }
  respond(exchange, model_json(service));
}

void tokenize(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  const std::vector<TokenId> tokens = service.model->tokenize(
      to_text(body.require("content"), "content"), body.boolean("add_special").value_or(false),
      body.boolean("parse_special").value_or(true));
  if (!body.boolean("with_pieces").value_or(false)) return respond(exchange, {{"tokens", tokens}});
  Json list = Json::array();
  for (const TokenId token : tokens) {
    list.push_back({{"id", token}, {"piece", piece_json(service.model->piece(token, true))}});
  }
  respond(exchange, {{"tokens", std::move(list)}});
}

void detokenize(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  body.require("tokens");
  std::vector<TokenId> tokens;
  for (const Json& token : *body.array("tokens")) {
    tokens.push_back(
        static_cast<TokenId>(to_integer(token, "tokens", 0, service.info.vocabulary_size - 1)));
  }
  respond(exchange, {{"content", service.model->detokenize(tokens, /*special=*/true)}});
}

void apply_template(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const ChatRequest chat = read_chat(service, Fields(json));
  std::string text = conversation_text(*service.model, chat.messages, chat.options);
  // /completion puts it before every prompt.
  const std::string begin = service.model->detokenize(
      service.model->tokenize("", /*add_special=*/true), /*special=*/true);
  if (text.starts_with(begin)) text.erase(0, begin.size());
  respond(exchange, {{"prompt", std::move(text)}});
}

/// What holds for requests that say nothing. llama-server puts it under "params".
Json default_settings(const ModelService& service) {
  GenerationRequest request;
  request.answer.generation = service.defaults.generation;
  Json settings = generation_settings(service, request, service.defaults.generation.sampling.seed);
  if (service.defaults.random_seed) settings["seed"] = -1;  // a new one each time
  return {{"id", 0},
          {"n_ctx", service.scheduler->options().context},
          {"is_processing", false},
          {"params", std::move(settings)}};
}

void show_properties(ModelService& service, Exchange& exchange) {
  const SchedulerOptions& options = service.scheduler->options();
  const ModelInfo& info = service.info;
  respond(exchange, {{"model", service.name},
                     {"build_info", "lazyllm " + version()},
                     {"total_slots", options.parallel},
                     {"n_ctx", options.context},
                     {"architecture", info.architecture},
                     {"layers", info.layers},
                     {"threads", info.threads},
                     {"isa", info.isa},
                     {"chat_template", service.model->chat_template()},
                     {"chat_template_has_tools", info.chat_template_has_tools},
                     {"model_path", info.path},
                     {"default_generation_settings", default_settings(service)},
                     {"default_lazy", pruning_json(service.defaults)},
                     {"lazy", lazy_choices()},
                     {"cache_bytes", options.cache_bytes},
                     {"kv_bytes", options.kv_bytes}});
}

void show_metrics(ModelService& service, Exchange& exchange) {
  exchange.response.set_header("Process-Start-Time-Unix", std::to_string(service.metrics->start()));
  exchange.response.set_content(service.metrics->text(service.scheduler->metrics()),
                                "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace

Json model_json(const ModelService& service) {
  const ModelInfo& info = service.info;
  return {{"id", service.name},
          {"object", "model"},
          {"created", static_cast<int64_t>(service.created)},
          {"owned_by", "lazyllm"},
          {"meta",
           {{"architecture", info.architecture},
            {"n_vocab", info.vocabulary_size},
            {"n_ctx_train", info.context_length},
            {"n_ctx", service.scheduler->options().context},
            {"n_embd", info.hidden_size},
            {"n_layer", info.layers},
            {"n_params", info.parameters},
            {"size", info.file_bytes}}}};
}

std::span<const Endpoint> native_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/completion", answer_native_completion},
      {"POST", "/completions", answer_native_completion},
      {"POST", "/infill", answer_infill},
      {"GET", "/v1/models", list_models},
      {"GET", "/models", list_models},
      {"GET", "/v1/models/{model}", show_model},
      {"GET", "/models/{model}", show_model},
      {"POST", "/tokenize", tokenize},
      {"POST", "/detokenize", detokenize},
      {"POST", "/apply-template", apply_template},
      {"GET", "/props", show_properties},
      {"GET", "/metrics", show_metrics},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
