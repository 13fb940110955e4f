// SPDX-License-Identifier: Apache-2.0
#include "server/completion_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "server/affinity.h"
#include "server/chat_request.h"
#include "server/documents_endpoints.h"
#include "server/infill.h"
#include "server/legacy_functions.h"
#include "server/openai_writer.h"
#include "server/parameters.h"
#include "server/prompt_reading.h"
#include "server/prompt_request.h"
#include "server/response_format.h"

namespace lazyllm::server {
namespace {

constexpr int64_t kMostTopLogprobs = 20;
constexpr int64_t kDefaultCompletionTokens = 16;  // OpenAI's

/// As variables of the template, which is where models are told of it. A model thinks unless
/// somebody says otherwise, as llama-server has it.
void add_reasoning(const Fields& body, const RequestDefaults& defaults, ChatRequest& chat) {
  const auto effort = body.text("reasoning_effort");
  Json variables =
      chat.options.variables.empty() ? Json::object() : Json::parse(chat.options.variables);
  const auto add = [&](const char* name, const Json& value) {
    if (!variables.contains(name)) variables[name] = value;
  };
  if (effort) add("reasoning_effort", *effort);
  add("enable_thinking", defaults.reasoning);
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

/// An answer of a form of its own thinks only if it says so: its form begins with its first token.
ReasoningSplitter::Mode reasoning_mode(const ModelService& service, const Fields& body,
                                       const ChatPrompt& prompt, bool has_form) {
  constexpr size_t kTail = 8;  // tokens in which "<think>" and white space lie
  const std::string format = body.text("reasoning_format").value_or("auto");
  if (format == "none" || has_form) return ReasoningSplitter::Mode::off;
  if (format != "auto" && format != "deepseek") {
    throw invalid_request("reasoning_format",
                          "reasoning_format must be \"auto\", \"deepseek\" or \"none\"");
  }
  const size_t tail = std::min(prompt.tokens.size(), kTail);
  const auto end = std::span(prompt.tokens).last(tail);
  return ends_in_thought(service.model->detokenize(end, /*special=*/true))
             ? ReasoningSplitter::Mode::open
             : ReasoningSplitter::Mode::automatic;
}

/// Those before the first user message, as the server's --stable-head leaves them.
std::vector<StableHead::Kept> keep_head(ModelService& service, Exchange& exchange,
                                        ChatRequest& chat) {
  if (!service.stable_head) return {};
  std::vector<std::string*> texts;
  for (ChatMessage& message : chat.messages) {
    if (message.role == "user") break;
    texts.push_back(&message.content);
  }
  const HttpFields& fields = exchange.request.fields;
  std::vector<StableHead::Kept> kept = service.stable_head->keep(
      texts, fields.get("Authorization") + "\n" + fields.get("X-Api-Key"));
  if (!kept.empty()) {
    exchange.response.set_header("X-Stable-Head", std::to_string(kept.size()));
    exchange.log.add("stable_head", std::to_string(kept.size()));
  }
  return kept;
}

void add_free_order(const ModelService& service, const std::optional<ExpandedRequest>& expanded,
                    AnswerJob& job) {
  if (!expanded || !expanded->free_order) return;
  if (service.scheduler->options().cache_bytes == 0) {
    throw invalid_request("order",
                          "order \"free\" takes documents from the cache, which this server was "
                          "started without (--cache-ram 0)");
  }
  for (Prompt& prompt : job.prompts) {
    prompt.free_documents = ranges_of(*service.model, prompt.tokens, expanded->texts);
  }
}

}  // namespace

void check_names(Exchange& exchange, const Fields& body, RequestKind kind) {
  constexpr size_t kMostBytes = 200;
  std::string list;
  for (const std::string& name : check_parameters(body, kind)) {
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
    });
    if (plain && list.size() + name.size() <= kMostBytes) list += (list.empty() ? "" : ", ") + name;
  }
  if (list.empty()) return;
  exchange.response.set_header("X-Ignored-Parameters", list);
  exchange.log.add("ignored", list);
}

GenerationRequest parse_common(const ModelService& service, Exchange& exchange, const Fields& body,
                               RequestKind kind) {
  check_model_name(body, service.name, service.strict_model);
  check_names(exchange, body, kind);
  return parse_generation(
      body, service.defaults, service.info.vocabulary_size, [&](const std::string& text) {
        return service.model->tokenize(text, /*add_special=*/false, /*parse_special=*/true);
      });
}

ChatRequest read_chat(const ModelService& service, const Fields& body) {
  ChatRequest chat = parse_chat(body);
  add_reasoning(body, service.defaults, chat);
  return chat;
}

AnswerJob chat_job(ModelService& service, Exchange& exchange, const Json& json) {
  set_affinity(exchange, json);
  const std::optional<ExpandedRequest> expanded = with_documents(service, json);
  const Fields body(expanded ? expanded->body : json);
  AnswerJob job;
  job.request = parse_common(service, exchange, body, RequestKind::chat);
  job.request.answer.top_logprobs = parse_chat_logprobs(body);
  ChatRequest chat = read_chat(service, body);
  std::vector<StableHead::Kept> kept = keep_head(service, exchange, chat);
  ChatPrompt prompt = conversation_prompt(*service.model, chat.messages, chat.options);
  check_prompt(service, prompt.tokens);
  choose_tools(service, body, chat, job);
  job.reasoning = reasoning_mode(service, body, prompt, static_cast<bool>(job.make_constraint));
  job.prompts.push_back({std::move(prompt.tokens), std::move(prompt.protected_ranges)});
  job.prompts.back().kept_head = std::move(kept);
  add_free_order(service, expanded, job);
  return job;
}

namespace {

/// The text between `prompt` and `suffix`.
Prompt prompt_before(const ModelService& service, const Fields& body, const std::string& suffix) {
  if (body.boolean("echo").value_or(false)) {
    throw invalid_request("echo", "echo is not supported together with suffix; leave it out",
                          "unsupported_parameter");
  }
  Prompt prompt;
  prompt.tokens = prompt_between(service, {}, to_text(body.require("prompt"), "prompt"), suffix);
  check_prompt(service, prompt.tokens);
  return prompt;
}

}  // namespace

AnswerJob text_job(ModelService& service, Exchange& exchange, const Json& json) {
  set_affinity(exchange, json);
  const std::optional<ExpandedRequest> expanded = with_documents(service, json);
  const Fields body(expanded ? expanded->body : json);
  AnswerJob job;
  job.request = parse_common(service, exchange, body, RequestKind::text);
  AnswerRequest& answer_request = job.request.answer;
  if (!limits_tokens(body) && service.defaults.generation.max_tokens < 0) {
    answer_request.generation.max_tokens = kDefaultCompletionTokens;
  }
  const auto logprobs = body.integer("logprobs", 0, kMostTopLogprobs);
  answer_request.top_logprobs = logprobs ? static_cast<int>(*logprobs) : -1;
  const std::string suffix = body.text("suffix").value_or("");
  job.prompts = suffix.empty() ? parse_prompts(service, body)
                               : std::vector{prompt_before(service, body, suffix)};
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
  add_free_order(service, expanded, job);
  return job;
}

int64_t count_tokens_of_chat(const ModelService& service, const Json& json) {
  const std::optional<ExpandedRequest> expanded = with_documents(service, json);
  const Fields body(expanded ? expanded->body : json);
  check_model_name(body, service.name, service.strict_model);
  const ChatRequest chat = read_chat(service, body);
  const ChatPrompt prompt = conversation_prompt(*service.model, chat.messages, chat.options);
  return static_cast<int64_t>(prompt.tokens.size());
}

namespace {

void answer_chat(ModelService& service, Exchange& exchange) {
  Json body = parse_body(exchange.body);
  const bool legacy = translate_functions(body);
  AnswerJob job = chat_job(service, exchange, body);
  const bool logprobs = job.request.answer.top_logprobs >= 0;
  job.writer = std::make_unique<OpenAiWriter>(
      std::make_unique<ChatShape>(*service.model, logprobs, legacy), /*names_role=*/true);
  answer(service, exchange, std::move(job));
}

void count_chat_tokens(ModelService& service, Exchange& exchange) {
  Json body = parse_body(exchange.body);
  translate_functions(body);
  const int64_t tokens = count_tokens_of_chat(service, body);
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
