// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/policies.h"

#include "base/error.h"
#include "lazy/policy.h"

namespace lazyllm {

std::vector<PolicyInfo> policies() {
  std::vector<PolicyInfo> list;
  for (const lazy::PolicyDescription* description : lazy::policy_descriptions()) {
    const lazy::PolicyDescription& policy = *description;
    list.push_back({std::string(policy.name), std::string(policy.summary),
                    std::string(policy.default_schedule)});
  }
  return list;
}

std::vector<PresetInfo> presets() {
  std::vector<PresetInfo> list;
  for (const lazy::Preset& preset : lazy::presets()) {
    std::string schedule;
    for (const auto& [fraction, keep] : preset.fractions) {
      schedule += fmt::format("{}{}:{}", schedule.empty() ? "" : ",", fraction, keep);
    }
    list.push_back({std::string(preset.name), std::string(preset.summary), schedule, preset.pool,
                    preset.protect_first, preset.protect_last, preset.revive_budget,
                    preset.min_prompt});
  }
  return list;
}

}  // namespace lazyllm
