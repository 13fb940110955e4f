// SPDX-License-Identifier: Apache-2.0
#include "template_flags.h"

#include "terminal.h"

namespace lazyllm::cli {

void add_template_flags(CLI::App& command, ModelFlags& flags) {
  CLI::Option* any = command.add_option(
      "--chat-template", flags.chat_template_file,
      "form of conversations instead of the model's own: chatml, llama3, gemma, mistral-v7 and "
      "others (a wrong name lists them), or a file with a Jinja template");
  command
      .add_option_function<std::string>(
          "--chat-template-file",
          [&flags](const std::string& path) {
            const bool bare = path.find_first_of("./") == std::string::npos;
            flags.chat_template_file = (bare ? "./" : "") + path;
          },
          "the same, always a file")
      ->excludes(any);
}

std::string chat_template(const ModelFlags& flags) {
  const std::string& given = flags.chat_template_file;
  const bool is_source = given.find('{') != std::string::npos;
  const bool is_path = !is_source && given.find_first_of("./") != std::string::npos;
  return is_path ? read_document(given) : given;
}

}  // namespace lazyllm::cli
