// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

namespace lazyllm::text {

/// Messages with, for each, the index of the message that it was made of; -1: of none.
struct PlainConversation {
  nlohmann::ordered_json messages;
  std::vector<int> made_of;
};

/// The conversation with its tools as text, for a template that knows no tools: the system tells
/// what they are and how to call them (a JSON object between <tool_call> tags), calls stand in the
/// assistant's text and results in the user's. `tools`: OpenAI's list, may be empty.
PlainConversation write_tools_as_text(const nlohmann::ordered_json& messages,
                                      const nlohmann::ordered_json& tools);

/// How calls stand in the assistant's text.
enum class CallSpelling {
  tagged_json,  ///< JSON objects between <tool_call> tags
  python_list   ///< <|tool_call_start|>[NAME(KEY=VALUE, ...), ...]<|tool_call_end|> before it: LFM2
};

/// The conversation with its calls in the assistant's text, for a template that tells tools and
/// results but leaves calls out.
PlainConversation write_calls_as_text(const nlohmann::ordered_json& messages,
                                      CallSpelling spelling);

/// The conversation with what the system says at the head of the next message of the user, for a
/// template that has no place for it.
PlainConversation move_system_to_user(const nlohmann::ordered_json& messages);

}  // namespace lazyllm::text
