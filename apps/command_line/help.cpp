// SPDX-License-Identifier: Apache-2.0
#include "help.h"

#include <algorithm>
#include <map>

namespace lazyllm::cli {
namespace {

bool expert_flags_shown = false;

constexpr size_t kColumns = 100, kNameColumns = 30;

/// Broken between words; further lines are indented.
std::string wrap(const std::string& text, size_t first_column, size_t indent) {
  std::string out;
  size_t column = first_column;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (column > indent && column + 1 + (end - begin) > kColumns) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (begin > 0) {
      out += ' ';
      ++column;
    }
    out.append(text, begin, end - begin);
    column += end - begin;
    begin = end + 1;
  }
  return out;
}

class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kNameColumns); }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string names = "  " + make_option_name(option, positional) + make_option_opts(option);
    if (names.size() + 2 > kNameColumns) {
      names += "\n" + std::string(kNameColumns, ' ');
    } else {
      names.resize(kNameColumns, ' ');
    }
    return names + wrap(make_option_desc(option), kNameColumns, kNameColumns) + "\n";
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string out;
    if (option->get_type_size() != 0) {
      const std::string kind = kind_of_value(option->get_type_name());
      if (!kind.empty()) out += " " + kind;
    }
    return out;
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    if (!option->get_default_str().empty() && text.find("default") == std::string::npos) {
      text += " (default: " + option->get_default_str() + ")";
    }
    if (option->get_required()) text += "; needed";
    if (!option->get_envname().empty()) text += "; or in the environment: " + option->get_envname();
    return text;
  }
};

bool has_hidden_flags(const CLI::App& command) {
  const auto options = command.get_options();
  return std::any_of(options.begin(), options.end(),
                     [](const CLI::Option* option) { return option->get_group().empty(); });
}

void style(CLI::App& command) {
  command.get_help_ptr()->description("print this help");
  for (CLI::Option* option : command.get_options()) {
    if (option->get_group() == "Options") option->group("Flags");
  }
}

}  // namespace

std::string kind_of_value(const std::string& type) {
  static const std::map<std::string, std::string> kKinds = {
      {"INT", "N"}, {"UINT", "N"}, {"FLOAT", "X"}, {"TEXT", "TEXT"}, {"", ""}};
  // Checks append what they want: "INT:NONNEGATIVE", "TEXT:{auto,on,off}".
  const size_t colon = type.find(':');
  if (colon != std::string::npos && type.compare(colon, 2, ":{") == 0) {
    std::string choices = type.substr(colon + 2, type.size() - colon - 3);
    std::replace(choices.begin(), choices.end(), ',', '|');
    return choices;
  }
  const auto found = kKinds.find(type.substr(0, colon));
  return found == kKinds.end() ? type.substr(0, colon) : found->second;
}

void show_expert_flags() {
  expert_flags_shown = true;
}

std::string expert_group() {
  return expert_flags_shown ? "For experts" : "";
}

void style_help(CLI::App& app) {
  const auto formatter = std::make_shared<HelpFormatter>();
  formatter->label("OPTIONS", "flags");
  formatter->label("SUBCOMMAND", "COMMAND");
  app.formatter(formatter);
  style(app);
  for (CLI::App* command : app.get_subcommands({})) {
    command->formatter(formatter);
    command->group("Commands");
    style(*command);
    if (expert_flags_shown || !has_hidden_flags(*command)) continue;
    command->footer(command->get_footer() + "\n\nMore flags, for experts: lazyllm " +
                    command->get_name() + " --help-all");
  }
}

}  // namespace lazyllm::cli
