// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "lazyllm/model.h"

namespace lazyllm {

/// What a server needs of a conversation beyond ChatOptions.
struct ConversationOptions : ChatOptions {
  bool continue_final_message = false;   ///< the last turn, the assistant's, is left open
  bool chatml_without_template = false;  ///< a model that has no template gets ChatML's form
  /// What an assistant thought before a message, by the message's index; templates decide whether
  /// it stays. May be shorter than the messages.
  std::vector<std::string> reasoning = {};
};

/// As Model::chat_prompt. Errors: the same, and Error(invalid_input) for a last turn that cannot be
/// continued.
ChatPrompt conversation_prompt(const Model& model, std::span<const ChatMessage> messages,
                               const ConversationOptions& options);

/// The same as text.
std::string conversation_text(const Model& model, std::span<const ChatMessage> messages,
                              const ConversationOptions& options);

}  // namespace lazyllm
