// SPDX-License-Identifier: Apache-2.0
#include "server/completion_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "server/chat_request.h"
#include "server/openai_writer.h"
#include "server/parameters.h"
#include "server/prompt_logprobs.h"
#include "server/prompt_request.h"
#include "server/response_format.h"

namespace lazyllm::server {
namespace {

constexpr int64_t kMostTopLogprobs = 20;
constexpr int64_t kDefaultCompletionTokens = 16;  // OpenAI's

/// As a variable of the template, which is where models are told of it.
void add_reasoning_effort(const Fields& body, ChatRequest& chat) {
  const auto effort = body.text("reasoning_effort");
  if (!effort) return;
  Json variables =
      chat.options.variables.empty() ? Json::object() : Json::parse(chat.options.variables);
  if (!variables.contains("reasoning_effort")) variables["reasoning_effort"] = *effort;
  chat.options.variables = dump(variables);
}

bool limits_tokens(const Fields& body) {
  for (const char* name : {"max_tokens", "max_completion_tokens", "n_predict"}) {
    if (body.find(name) != nullptr) return true;
  }
  return false;
}

int parse_chat_logprobs(const Fields& body) {
  const bool wanted = body.boolean("logprobs").value_or(false);
  const auto top = body.integer("top_logprobs", 0, kMostTopLogprobs);
  if (top && !wanted) {
    throw invalid_request("top_logprobs", "top_logprobs is given but logprobs is not true");
  }
  return wanted ? static_cast<int>(top.value_or(0)) : -1;
}

void choose_tools(const ModelService& service, const Fields& body, const ChatRequest& chat,
                  AnswerJob& job) {
  using Mode = ToolChoice::Mode;
  job.make_constraint = parse_answer_form(body, service.model);
  if (chat.tool_choice.mode == Mode::required) {
    if (job.make_constraint && body.find("response_format") == nullptr) {
      throw invalid_request("tool_choice",
                            "tool_choice asks for a call and another field gives the answer a "
                            "form of its own; leave one out");
    }
    job.tool_form = ToolCallParser::Form::bare;
    job.make_constraint = schema_constraint(service.model, chat.call_schema(), "tools");
    return;
  }
  if (chat.tool_choice.mode == Mode::automatic) {
    job.tool_form = {ToolCallParser::Form::Kind::tagged, std::make_shared<const Json>(chat.tools)};
  }
}

/// Also fills `chat`.
ChatPrompt parse_chat_prompt(const ModelService& service, const Fields& body, ChatRequest& chat) {
  chat = parse_chat(body);
  add_reasoning_effort(body, chat);
  return conversation_prompt(*service.model, chat.messages, chat.options);
}

/// So that nobody believes a field worked that nobody knows.
void tell_ignored(Exchange& exchange, const std::vector<std::string>& names) {
  constexpr size_t kMostBytes = 200;
  std::string list;
  for (const std::string& name : names) {
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
    });
    if (plain && list.size() + name.size() <= kMostBytes) list += (list.empty() ? "" : ", ") + name;
  }
  if (list.empty()) return;
  exchange.response.set_header("X-Ignored-Parameters", list);
  exchange.log.add("ignored", list);
}

}  // namespace

GenerationRequest parse_common(const ModelService& service, Exchange& exchange, const Fields& body,
                               RequestKind kind) {
  check_model_name(body, service.name, service.strict_model);
  tell_ignored(exchange, check_parameters(body, kind));
  return parse_generation(body, service.defaults, service.info.vocabulary_size);
}

AnswerJob chat_job(ModelService& service, Exchange& exchange, const Json& json) {
  const Fields body(json);
  AnswerJob job;
  job.request = parse_common(service, exchange, body, RequestKind::chat);
  job.request.answer.top_logprobs = parse_chat_logprobs(body);
  ChatRequest chat;
  ChatPrompt prompt = parse_chat_prompt(service, body, chat);
  check_prompt(service, prompt.tokens);
  job.prompts.push_back({std::move(prompt.tokens), std::move(prompt.protected_ranges)});
  choose_tools(service, body, chat, job);
  return job;
}

AnswerJob text_job(ModelService& service, Exchange& exchange, const Json& json) {
  const Fields body(json);
  AnswerJob job;
  job.request = parse_common(service, exchange, body, RequestKind::text);
  AnswerRequest& answer_request = job.request.answer;
  if (!limits_tokens(body) && service.defaults.generation.max_tokens < 0) {
    answer_request.generation.max_tokens = kDefaultCompletionTokens;
  }
  const auto logprobs = body.integer("logprobs", 0, kMostTopLogprobs);
  answer_request.top_logprobs = logprobs ? static_cast<int>(*logprobs) : -1;
  job.prompts = parse_prompts(service, body);
  if (body.boolean("echo").value_or(false)) {
    for (Prompt& prompt : job.prompts) {
      prompt.echo = service.model->detokenize(prompt.tokens);
      if (!logprobs) continue;
      prompt.echo_logprobs =
          prompt_logprobs(*service.scheduler, prompt.tokens, answer_request.top_logprobs,
                          [&] { return exchange.peer.gone(); });
    }
  }
  job.make_constraint = parse_answer_form(body, service.model);
  return job;
}

int64_t count_tokens_of_chat(const ModelService& service, const Json& json) {
  const Fields body(json);
  check_model_name(body, service.name, service.strict_model);
  ChatRequest chat;
  return static_cast<int64_t>(parse_chat_prompt(service, body, chat).tokens.size());
}

namespace {

void answer_chat(ModelService& service, Exchange& exchange) {
  AnswerJob job = chat_job(service, exchange, parse_body(exchange.body));
  const bool logprobs = job.request.answer.top_logprobs >= 0;
  job.writer = std::make_unique<OpenAiWriter>(std::make_unique<ChatShape>(*service.model, logprobs),
                                              /*names_role=*/true);
  answer(service, exchange, std::move(job));
}

void count_chat_tokens(ModelService& service, Exchange& exchange) {
  const int64_t tokens = count_tokens_of_chat(service, parse_body(exchange.body));
  respond(exchange, {{"object", "response.input_tokens"}, {"input_tokens", tokens}});
}

void answer_completion(ModelService& service, Exchange& exchange) {
  AnswerJob job = text_job(service, exchange, parse_body(exchange.body));
  const bool logprobs = job.request.answer.top_logprobs >= 0;
  job.writer = std::make_unique<OpenAiWriter>(
      std::make_unique<CompletionShape>(*service.model, logprobs), /*names_role=*/false);
  answer(service, exchange, std::move(job));
}

}  // namespace

std::span<const Endpoint> openai_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/v1/chat/completions", answer_chat},
      {"POST", "/chat/completions", answer_chat},
      {"POST", "/v1/chat/completions/input_tokens", count_chat_tokens},
      {"POST", "/chat/completions/input_tokens", count_chat_tokens},
      {"POST", "/v1/completions", answer_completion},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
