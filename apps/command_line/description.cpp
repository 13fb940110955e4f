// SPDX-License-Identifier: Apache-2.0
#include "description.h"

#include <nlohmann/json.hpp>

#include "help.h"

namespace lazyllm::cli {
namespace {

using Json = nlohmann::ordered_json;

Json with_dashes(const CLI::Option& option) {
  Json names = Json::array();
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

Json describe(const CLI::Option& option) {
  const bool positional = option.get_positional();
  Json json = {{"names", positional ? Json::array({option.get_name(true)}) : with_dashes(option)},
               {"value", option.get_type_size() == 0 ? "" : kind_of_value(option.get_type_name())},
               {"text", option.get_description()},
               {"default", option.get_default_str()},
               {"needed", option.get_required()},
               {"several", option.get_expected_max() > 1},
               {"expert", option.get_group() == expert_group()},
               {"positional", positional}};
  return json;
}

Json describe(const CLI::App& command) {
  Json flags = Json::array();
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_group().empty()) flags.push_back(describe(*option));
  }
  return {{"name", command.get_name()},
          {"text", command.get_description()},
          {"footer", command.get_footer()},
          {"flags", std::move(flags)}};
}

}  // namespace

std::string description_json(const CLI::App& app) {
  Json json = describe(app);
  json["commands"] = Json::array();
  for (const CLI::App* command : app.get_subcommands({}))
    json["commands"].push_back(describe(*command));
  return json.dump(1) + "\n";
}

}  // namespace lazyllm::cli
