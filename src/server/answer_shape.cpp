// SPDX-License-Identifier: Apache-2.0
#include "server/answer_shape.h"

#include <algorithm>
#include <cmath>

#include "text/unicode.h"

namespace lazyllm::server {
namespace {

// JSON has no infinity; OpenAI writes this for what cannot come.
constexpr double kLeastLogprob = -9999.0;

Json to_json(float logprob) {
  // The first token of an echoed prompt follows nothing and has none.
  if (std::isnan(logprob)) return {};
  return std::max(static_cast<double>(logprob), kLeastLogprob);
}

Json reason_or_null(const std::optional<std::string>& reason) {
  return reason ? Json(*reason) : Json();
}

Json token_json(const Model& model, TokenId token, float logprob) {
  const std::string piece = model.piece(token, /*special=*/true);
  Json bytes = Json::array();
  for (const char c : piece) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", text::replace_invalid_utf8(piece)},
          {"logprob", to_json(logprob)},
          {"bytes", std::move(bytes)}};
}

Json call_json(const ToolCall& call) {
  return {{"id", call.id},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

}  // namespace

Json ChatShape::logprobs(const std::vector<AnswerToken>& tokens) const {
  if (!logprobs_) return {};
  Json content = Json::array();
  for (const AnswerToken& token : tokens) {
    Json item = token_json(model_, token.token, token.logprob);
    item["top_logprobs"] = Json::array();
    for (const TokenLogprob& other : token.top) {
      item["top_logprobs"].push_back(token_json(model_, other.token, other.logprob));
    }
    content.push_back(std::move(item));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json ChatShape::reason(const std::optional<std::string>& reason) const {
  if (legacy_ && reason == "tool_calls") return "function_call";
  return reason_or_null(reason);
}

Json ChatShape::choice(const Choice& choice) const {
  Json message = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
  if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
  if (!choice.calls.empty()) {
    if (choice.text.empty()) message["content"] = nullptr;
    if (legacy_) {
      message["function_call"] = call_json(choice.calls[0])["function"];
    } else {
      for (const ToolCall& call : choice.calls) message["tool_calls"].push_back(call_json(call));
    }
  }
  return {{"index", choice.index},
          {"message", std::move(message)},
          {"logprobs", logprobs(choice.tokens)},
          {"finish_reason", reason(choice.finish_reason)}};
}

Json ChatShape::chunk(int64_t index, const Delta& delta) const {
  Json json = Json::object();
  if (!delta.reasoning.empty()) json["reasoning_content"] = delta.reasoning;
  if (!delta.text.empty()) json["content"] = delta.text;
  for (const CallPiece& piece : delta.calls) {
    if (!piece.begins && piece.arguments.empty()) continue;  // nothing but its end
    Json call = {{"index", piece.index}, {"function", {{"arguments", piece.arguments}}}};
    if (piece.begins) call.update(call_json({piece.id, piece.name, piece.arguments}));
    if (!legacy_) {
      Json& calls = json["tool_calls"];
      // One entry for each call: clients such as instructor read the first one of a chunk only.
      if (!piece.begins && !calls.empty() && calls.back()["index"] == piece.index) {
        calls.back()["function"]["arguments"].get_ref<std::string&>() += piece.arguments;
      } else {
        calls.push_back(std::move(call));
      }
    } else if (piece.index == 0) {
      // A call that is whole comes in one piece, one that is written in several.
      Json& said = json["function_call"];
      if (said.is_null()) said = Json::object();
      const std::string before = said.value("arguments", std::string());
      said.update(call["function"]);
      said["arguments"] = before + piece.arguments;
    }
  }
  return {{"index", index},
          {"delta", std::move(json)},
          {"logprobs", delta.tokens.empty() ? Json() : logprobs(delta.tokens)},
          {"finish_reason", reason(delta.finish_reason)}};
}

Json CompletionShape::logprobs(const std::vector<AnswerToken>& tokens,
                               const std::vector<size_t>& offsets) const {
  if (!logprobs_) return {};
  Json result = {{"tokens", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"top_logprobs", Json::array()},
                 {"text_offset", offsets}};
  for (const AnswerToken& token : tokens) {
    const std::string piece = model_.piece(token.token, /*special=*/true);
    Json top = Json::object();
    for (const TokenLogprob& other : token.top) {
      const std::string name = text::replace_invalid_utf8(model_.piece(other.token, true));
      if (!top.contains(name)) top[name] = to_json(other.logprob);
    }
    result["tokens"].push_back(text::replace_invalid_utf8(piece));
    result["token_logprobs"].push_back(to_json(token.logprob));
    result["top_logprobs"].push_back(token.top.empty() ? Json() : std::move(top));
  }
  return result;
}

Json CompletionShape::choice(const Choice& choice) const {
  return {{"text", choice.text},
          {"index", choice.index},
          {"logprobs", logprobs(choice.tokens, choice.offsets)},
          {"finish_reason", reason_or_null(choice.finish_reason)}};
}

Json CompletionShape::chunk(int64_t index, const Delta& delta) const {
  return {{"text", delta.text},
          {"index", index},
          {"logprobs", delta.tokens.empty() ? Json() : logprobs(delta.tokens, delta.offsets)},
          {"finish_reason", reason_or_null(delta.finish_reason)}};
}

}  // namespace lazyllm::server
