// SPDX-License-Identifier: Apache-2.0
#include "server/prompt_request.h"

#include <fmt/format.h>

#include <algorithm>

namespace lazyllm::server {
namespace {

void append(std::vector<TokenId>& tokens, const ModelService& service, const std::string& text) {
  const std::vector<TokenId> more = service.model->tokenize(text, /*add_special=*/tokens.empty(),
                                                            /*parse_special=*/true);
  tokens.insert(tokens.end(), more.begin(), more.end());
}

/// llama-server's form of a prompt with pictures, of which only the text is read here.
std::string text_of(const Json& json, const std::string& name) {
  const Fields fields(json, name);
  if (const Json* content = fields.array("content")) {  // parts of a message
    std::string text;
    for (const Json& part : *content) {
      const Fields one(part, name + ".content");
      if (one.text("type").value_or("text") != "text") {
        throw invalid_request(name + ".content", "this model reads text only");
      }
      text += to_text(one.require("text"), name + ".content.text");
    }
    return text;
  }
  if (const Json* media = fields.array("multimodal_data"); media != nullptr && !media->empty()) {
    throw invalid_request(name + ".multimodal_data", "this model reads text only");
  }
  return to_text(fields.require("prompt_string"), name + ".prompt_string");
}

Prompt parse_prompt(const ModelService& service, const Json& json, const std::string& name) {
  Prompt prompt;
  if (json.is_object()) {
    append(prompt.tokens, service, text_of(json, name));
  } else if (json.is_array()) {
    for (const Json& part : json) {
      if (part.is_string()) {
        append(prompt.tokens, service, part.get<std::string>());
      } else {
        prompt.tokens.push_back(
            static_cast<TokenId>(to_integer(part, name, 0, service.info.vocabulary_size - 1)));
      }
    }
  } else {
    append(prompt.tokens, service, to_text(json, name));
  }
  return prompt;
}

/// Whether a list holds prompts, not the tokens of one.
bool holds_prompts(const Json& json) {
  return json.is_array() && !json.empty() &&
         std::none_of(json.begin(), json.end(), [](const Json& one) { return one.is_number(); });
}

}  // namespace

std::vector<Prompt> parse_prompts(const ModelService& service, const Fields& body, const char* name,
                                  size_t most) {
  const Json& json = body.require(name);
  std::vector<Prompt> prompts;
  if (!holds_prompts(json)) {
    prompts.push_back(parse_prompt(service, json, name));
  } else {
    if (json.size() > most) {
      throw invalid_request(
          name, fmt::format("there are {} {}s; give at most {}", json.size(), name, most));
    }
    for (const Json& one : json) prompts.push_back(parse_prompt(service, one, name));
  }
  for (const Prompt& one : prompts) check_prompt(service, one.tokens, name);
  return prompts;
}

void check_prompt(const ModelService& service, std::span<const TokenId> tokens, const char* name) {
  if (tokens.empty()) {
    throw invalid_request(name, fmt::format("the {} is empty; give some text", name));
  }
  const int64_t context = service.scheduler->options().context;
  const auto count = static_cast<int64_t>(tokens.size());
  if (count <= context) return;
  const int64_t trained = service.info.context_length;
  throw context_exceeded(
      count, context,
      context < trained ? fmt::format(" or start the server with a --ctx-size of up to {}", trained)
                        : std::string());
}

}  // namespace lazyllm::server
