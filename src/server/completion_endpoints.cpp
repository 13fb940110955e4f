// SPDX-License-Identifier: Apache-2.0
#include "server/completion_endpoints.h"

#include <fmt/format.h>

#include <limits>

#include "lazyllm/json_constraint.h"
#include "server/answering.h"
#include "server/chat_request.h"
#include "server/prompt_logprobs.h"

namespace lazyllm::server {
namespace {

constexpr int64_t kMostTopLogprobs = 20;
constexpr size_t kMostPrompts = 64;
constexpr int64_t kDefaultCompletionTokens = 16;  // OpenAI's

GenerationRequest parse_common(const ModelService& service, const Fields& body) {
  check_model_name(body, service.name);
  return parse_generation(body, service.defaults, service.info.vocabulary_size);
}

void check_prompt(const ModelService& service, std::span<const TokenId> tokens) {
  if (tokens.empty()) throw invalid_request("prompt", "the prompt is empty; give some text");
  const int64_t context = service.scheduler->options().context;
  const auto count = static_cast<int64_t>(tokens.size());
  if (count <= context) return;
  throw RequestError(
      400, "invalid_request_error", "context_length_exceeded",
      fmt::format("the prompt has {} tokens but the context holds {}; shorten the "
                  "prompt{}",
                  count, context,
                  context < service.info.context_length
                      ? fmt::format(" or start the server with a --ctx-size of up to {}",
                                    service.info.context_length)
                      : std::string()));
}

int parse_chat_logprobs(const Fields& body) {
  const bool wanted = body.boolean("logprobs").value_or(false);
  const auto top = body.integer("top_logprobs", 0, kMostTopLogprobs);
  if (top && !wanted) {
    throw invalid_request("top_logprobs", "top_logprobs is given but logprobs is not true");
  }
  return wanted ? static_cast<int>(top.value_or(0)) : -1;
}

void constrain(const ModelService& service, const Fields& body, AnswerJob& job) {
  if (body.find("response_format") == nullptr) return;
  const Json format = {{"response_format", *body.find("response_format")}};
  job.make_constraint = [format, model = service.model] {
    return parse_response_format(Fields(format), model);
  };
}

void choose_tools(const ModelService& service, const Fields& body, const ChatRequest& chat,
                  AnswerJob& job) {
  using Mode = ToolChoice::Mode;
  if (chat.tool_choice.mode == Mode::required) {
    job.tool_form = ToolCallParser::Form::bare;
    job.make_constraint = [model = service.model, schema = chat.call_schema()] {
      try {
        return make_json_schema_constraint(model, schema);
      } catch (const Error& error) {
        throw invalid_request("tools", error.what(), "invalid_schema");
      }
    };
    return;
  }
  if (chat.tool_choice.mode == Mode::automatic) job.tool_form = ToolCallParser::Form::tagged;
  constrain(service, body, job);
}

std::vector<TokenId> parse_tokens(const Json& list, int64_t vocabulary) {
  std::vector<TokenId> tokens;
  tokens.reserve(list.size());
  for (const Json& token : list) {
    tokens.push_back(static_cast<TokenId>(to_integer(token, "prompt", 0, vocabulary - 1)));
  }
  return tokens;
}

std::vector<TokenId> parse_prompt(const ModelService& service, const Json& prompt) {
  if (prompt.is_array()) return parse_tokens(prompt, service.info.vocabulary_size);
  return service.model->tokenize(to_text(prompt, "prompt"), /*add_special=*/true,
                                 /*parse_special=*/true);
}

/// A string, a list of token ids, or a list of several of either.
std::vector<Prompt> parse_prompts(const ModelService& service, const Fields& body) {
  const Json& prompt = body.require("prompt");
  const bool several = prompt.is_array() && !prompt.empty() && !prompt[0].is_number();
  std::vector<Prompt> prompts;
  if (!several) {
    prompts.push_back({parse_prompt(service, prompt), {}, {}, {}});
  } else {
    if (prompt.size() > kMostPrompts) {
      throw invalid_request("prompt", fmt::format("there are {} prompts; give at most {}",
                                                  prompt.size(), kMostPrompts));
    }
    for (const Json& one : prompt) prompts.push_back({parse_prompt(service, one), {}, {}, {}});
  }
  for (const Prompt& one : prompts) check_prompt(service, one.tokens);
  return prompts;
}

void refuse_unknown_features(const Fields& body) {
  for (const char* name : {"suffix", "grammar"}) {
    if (body.find(name) == nullptr) continue;
    throw RequestError(501, "not_supported_error", "unsupported",
                       fmt::format("{} is not supported here", name), name);
  }
}

}  // namespace

void answer_chat(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  AnswerJob job;
  job.request = parse_common(service, body);
  refuse_unknown_features(body);
  const ChatRequest chat = parse_chat(body, service.info);
  job.request.answer.top_logprobs = parse_chat_logprobs(body);
  ChatPrompt prompt = service.model->chat_prompt(chat.messages, chat.options);
  check_prompt(service, prompt.tokens);
  job.prompts.push_back({std::move(prompt.tokens), std::move(prompt.protected_ranges), {}, {}});
  job.shape = std::make_unique<ChatShape>(*service.model, job.request.answer.top_logprobs >= 0);
  choose_tools(service, body, chat, job);
  answer(service, exchange, std::move(job));
}

void answer_completion(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  AnswerJob job;
  job.request = parse_common(service, body);
  refuse_unknown_features(body);
  AnswerRequest& answer_request = job.request.answer;
  if (body.find("max_tokens") == nullptr && service.defaults.generation.max_tokens < 0) {
    answer_request.generation.max_tokens = kDefaultCompletionTokens;
  }
  const auto logprobs = body.integer("logprobs", 0, kMostTopLogprobs);
  answer_request.top_logprobs = logprobs ? static_cast<int>(*logprobs) : -1;
  job.prompts = parse_prompts(service, body);
  job.shape = std::make_unique<CompletionShape>(*service.model, logprobs.has_value());
  if (body.boolean("echo").value_or(false)) {
    for (Prompt& prompt : job.prompts) {
      prompt.echo = service.model->detokenize(prompt.tokens);
      if (!logprobs) continue;
      prompt.echo_logprobs =
          prompt_logprobs(*service.scheduler, prompt.tokens, answer_request.top_logprobs,
                          [&] { return exchange.peer.gone(); });
    }
  }
  constrain(service, body, job);
  answer(service, exchange, std::move(job));
}

}  // namespace lazyllm::server
