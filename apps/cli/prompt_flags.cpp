// SPDX-License-Identifier: Apache-2.0
#include "prompt_flags.h"

#include <cstdio>

namespace lazyllm::cli {

void add_prompt_flags(CLI::App& command, PromptFlags& flags) {
  command.add_option(
      "-f,--file", flags.files,
      "document to ask about: a text, PDF, docx, odt, epub, HTML or a folder of code; - for the "
      "standard input; may be repeated");
  command.add_option("--system-prompt", flags.system_prompt,
                     "how the model should behave, its system prompt (also -sys)");
}

std::string read_document_file(const std::string& path) {
  const Document document = read_any_document(path);
  for (const std::string& note : document.notes) std::fprintf(stderr, "%s.\n", note.c_str());
  return document.text;
}

std::string compose_prompt(const PromptFlags& flags) {
  std::string text;
  const auto append = [&](const std::string& part) {
    if (!flags.no_chat && !text.empty() && !part.empty()) {
      while (!text.empty() && text.back() == '\n') text.pop_back();
      text += "\n\n";
    }
    text += part;
  };
  for (const std::string& path : flags.files) {
    append(read_document_file(path));
  }
  append(decode_document(flags.prompt, "the prompt given with -p"));
  if (text.empty()) {
    throw Error(ErrorCode::invalid_input, "the prompt is empty; give some text with -p or -f");
  }
  return text;
}

ChatPrompt prepare_prompt(const PromptFlags& flags, const std::string& text, const Model& model) {
  if (flags.no_chat) {
    return {model.tokenize(text, /*add_special=*/true, /*parse_special=*/true), {}};
  }
  std::vector<ChatMessage> messages;
  if (!flags.system_prompt.empty()) messages.push_back({"system", flags.system_prompt});
  messages.push_back({"user", text});
  return model.chat_prompt(messages);
}

}  // namespace lazyllm::cli
