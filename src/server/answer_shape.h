// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lazyllm/scheduler.h"
#include "server/json_body.h"
#include "server/tool_call_parser.h"

namespace lazyllm::server {

/// One choice as far as it is written.
struct Choice {
  int64_t index = 0;
  std::string reasoning;  ///< what was thought before the text
  std::string text;
  std::vector<ToolCall> calls;
  std::vector<TokenId> ids;         ///< of the tokens written, without that which ended the answer
  std::vector<AnswerToken> tokens;  ///< for log-probabilities only
  std::vector<size_t> offsets;      ///< of each of them in the text, in code points
  std::optional<std::string> finish_reason;
};

/// What a chunk of a stream adds to a choice.
struct Delta {
  bool first = false;
  std::string reasoning;
  std::string text;
  std::vector<CallPiece> calls;
  std::vector<TokenId> ids;
  std::vector<AnswerToken> tokens;  ///< for log-probabilities only
  std::vector<size_t> offsets;      ///< of each of them in the answer, in code points
  std::optional<std::string> finish_reason;

  bool says_nothing() const {
    return reasoning.empty() && text.empty() && calls.empty() && ids.empty() && !finish_reason;
  }
};

/// How an endpoint writes answers: OpenAI's chat or plain completions.
class AnswerShape {
 public:
  AnswerShape(const Model& model, bool with_logprobs) : model_(model), logprobs_(with_logprobs) {}
  virtual ~AnswerShape() = default;

  virtual const char* id_prefix() const = 0;
  virtual const char* object() const = 0;
  virtual const char* chunk_object() const = 0;
  virtual Json choice(const Choice& choice) const = 0;
  virtual Json chunk(int64_t index, const Delta& delta) const = 0;

 protected:
  const Model& model_;
  bool logprobs_;
};

class ChatShape : public AnswerShape {
 public:
  /// `legacy`: the call of a function in the form that was before tools.
  ChatShape(const Model& model, bool with_logprobs, bool legacy)
      : AnswerShape(model, with_logprobs), legacy_(legacy) {}
  const char* id_prefix() const override { return "chatcmpl-"; }
  const char* object() const override { return "chat.completion"; }
  const char* chunk_object() const override { return "chat.completion.chunk"; }
  Json choice(const Choice& choice) const override;
  Json chunk(int64_t index, const Delta& delta) const override;

 private:
  Json logprobs(const std::vector<AnswerToken>& tokens) const;
  Json reason(const std::optional<std::string>& reason) const;

  bool legacy_;
};

class CompletionShape : public AnswerShape {
 public:
  using AnswerShape::AnswerShape;
  const char* id_prefix() const override { return "cmpl-"; }
  const char* object() const override { return "text_completion"; }
  const char* chunk_object() const override { return "text_completion"; }
  Json choice(const Choice& choice) const override;
  Json chunk(int64_t index, const Delta& delta) const override;

 private:
  Json logprobs(const std::vector<AnswerToken>& tokens, const std::vector<size_t>& offsets) const;
};

}  // namespace lazyllm::server
