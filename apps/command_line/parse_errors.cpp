// SPDX-License-Identifier: Apache-2.0
#include "parse_errors.h"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

#include "arguments.h"

namespace lazyllm::cli {
namespace {

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// Arguments that belong to no flag. The first flag among them is what was mistyped, the others are
/// often its value. CLI11 names them at the end of its message.
std::string about_extras(const CLI::App& command, const std::string& name,
                         const std::string& message) {
  std::istringstream words(message.substr(message.find(": ") + 2));
  const std::vector<std::string> extras{std::istream_iterator<std::string>(words), {}};
  const auto flag = std::find_if(extras.begin(), extras.end(),
                                 [](const std::string& word) { return word.starts_with("-"); });
  if (flag == extras.end()) {
    return fmt::format("'{}' belongs to no flag", extras.empty() ? "" : extras.front());
  }
  const std::string near = nearest(flag->substr(0, flag->find('=')), flags_of(command));
  return fmt::format("{} has no flag {}{}", name, *flag,
                     near.empty() ? "" : fmt::format(". Did you mean {}?", near));
}

}  // namespace

std::string plain_failure(const CLI::App* program, const CLI::Error& error) {
  const std::vector<CLI::App*> given = program->get_subcommands();
  const CLI::App& command = given.empty() ? *program : *given.back();
  const std::string name = given.empty() ? "lazyllm" : "lazyllm " + command.get_name();
  std::string text = error.what();
  const std::string flag = text.substr(0, text.find(':'));
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    text = about_extras(command, name, text);
  } else if (given.empty()) {
    text = "a command is missing, such as run, chat or serve";
  } else if (text.find(": At Most 1 required but received") != std::string::npos) {
    text = flag + " is given more than once";
  } else if (text.find(" required ") != std::string::npos && text.ends_with(" missing")) {
    text = flag + " needs a value behind it";
  }
  return fmt::format("lazyllm: {}\n{} explains its flags.\n", text,
                     given.empty() ? "lazyllm help" : "lazyllm help " + command.get_name());
}

}  // namespace lazyllm::cli
