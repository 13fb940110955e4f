// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lazyllm/conversation.h"
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
  ConversationOptions options;
  Json tools = Json::array();  ///< as given, checked
  ToolChoice tool_choice;

  bool parallel_calls = false;  ///< a forced answer may hold several calls

  /// JSON schema of an answer that is one call {"name", "arguments"}, or a list of them; for
  /// `required`.
  std::string call_schema() const;
};

/// Reads messages, tools, tool_choice, parallel_tool_calls, chat_template_kwargs,
/// add_generation_prompt and continue_final_message.
/// Errors: RequestError 400.
ChatRequest parse_chat(const Fields& body);

}  // namespace lazyllm::server
