// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// What is asked.
struct PromptFlags {
  std::vector<std::string> files;
  std::string prompt;
  std::string system_prompt;
  bool no_chat = false;
};

/// -f and --system-prompt.
void add_prompt_flags(CLI::App& command, PromptFlags& flags);

/// Text of a document; what is to be noted about it goes to stderr. Errors: as read_any_document().
std::string read_document_file(const std::string& path);

/// Content of the files, as read_any_document() gives it, and of -p. A pipe gives its text once:
/// call it once. Chat: blank lines between them; otherwise the bytes one after the other. Errors:
/// as read_any_document().
std::string compose_prompt(const PromptFlags& flags);

/// The text as the user's turn behind the system's, or bare with --no-chat. Errors: as
/// Model::chat_prompt().
ChatPrompt prepare_prompt(const PromptFlags& flags, const std::string& text, const Model& model);

}  // namespace lazyllm::cli
