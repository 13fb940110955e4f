// SPDX-License-Identifier: Apache-2.0
#include "option_sources.h"

#include <algorithm>
#include <cctype>
#include <istream>
#include <memory>

namespace lazyllm::cli {
namespace {

/// A file of options. Those without a [section] belong to the command that is run.
class OptionFile : public CLI::ConfigBase {
 public:
  explicit OptionFile(const CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> read = CLI::ConfigBase::from_config(input);
    const std::vector<const CLI::App*> commands = app_.get_subcommands({});
    for (CLI::ConfigItem& item : read) {
      if (!item.parents.empty()) continue;
      for (const CLI::App* command : commands) {
        if (command->parsed()) item.parents = {command->get_name()};
      }
    }
    return read;
  }

 private:
  const CLI::App& app_;
};

/// LAZYLLM_CTX_SIZE for --ctx-size.
std::string variable_of(const std::string& flag) {
  std::string name = "LAZYLLM_";
  for (const char c : flag)
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

void add_variables_and_file(CLI::App& app, const std::vector<std::string>& arguments) {
  app.set_config("--config", "", "file of flags, \"ctx-size = 4096\" a line; given flags go first");
  app.config_formatter(std::make_shared<OptionFile>(app));
  app.allow_config_extras(CLI::config_extras_mode::error);
  // The help would name the variable of every flag.
  const bool helps = std::any_of(arguments.begin(), arguments.end(), [](const std::string& given) {
    return given == "-h" || given == "--help" || given == "--help-all" || given == "help";
  });
  const auto add_variables = [&](CLI::App& command, const auto& self) -> void {
    command.fallthrough();  // --config may follow on the command
    for (CLI::Option* option : command.get_options()) {
      const std::vector<std::string>& names = option->get_lnames();
      if (helps || names.empty() || names[0] == "help" || !option->get_envname().empty()) continue;
      option->envname(variable_of(names[0]));
    }
    for (CLI::App* part : command.get_subcommands({})) self(*part, self);
  };
  for (CLI::App* command : app.get_subcommands({})) add_variables(*command, add_variables);
}

}  // namespace lazyllm::cli
