// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lazyllm/model.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// Which calls of tools an answer may or must hold.
struct ToolChoice {
  enum class Mode { none, automatic, required } mode = Mode::none;
  std::string name;  ///< of the one tool that must be called; empty: any
};

/// The conversation of a request.
struct ChatRequest {
  std::vector<ChatMessage> messages;
  ChatOptions options;
  Json tools = Json::array();  ///< as given, checked
  ToolChoice tool_choice;

  /// JSON schema of an answer that is one call {"name", "arguments"}; for `required`.
  std::string call_schema() const;
};

/// Reads messages, tools, tool_choice, chat_template_kwargs and add_generation_prompt.
/// Errors: RequestError 400.
ChatRequest parse_chat(const Fields& body, const ModelInfo& model);

}  // namespace lazyllm::server
