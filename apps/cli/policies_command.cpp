// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "commands.h"
#include "lazyllm/lazyllm.h"
#include "lazyllm/policies.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

void show_policies() {
  std::string out = "Policies (--policy):\n";
  for (const PolicyInfo& policy : policies()) {
    out += fmt::format("  {:<13} {}\n  {:<13} schedule by default: {}\n", policy.name,
                       policy.summary, "", policy.default_schedule);
  }
  out +=
      "\nPresets of lazy (--prune), layers as share of the depth : share of the current set "
      "kept:\n";
  for (const PresetInfo& preset : presets()) {
    out += fmt::format(
        "  {:<13} {}\n  {:<13} {}; pool {}, protect first {} last {}, revive budget {}, "
        "dense under {} tokens\n",
        preset.name, preset.summary, "", preset.schedule, preset.score_pool, preset.protect_first,
        preset.protect_last,
        preset.revive_budget.tokens < 0 ? "all" : std::to_string(preset.revive_budget.tokens),
        preset.min_prompt);
  }
  write_out(out);
}

}  // namespace

void add_policies_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("policies", "list what can be pruned and how");
  command->footer("Example:\n  lazyllm policies");
  command->callback(show_policies);
}

}  // namespace lazyllm::cli
