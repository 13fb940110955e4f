// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lazyllm/options.h"

namespace lazyllm {

/// A value of PruningOptions::policy.
struct PolicyInfo {
  std::string name;
  std::string summary;
  std::string default_schedule;
};

/// A preset's name as a value of PruningOptions::prune, and what it stands for.
struct PresetInfo {
  std::string name;
  std::string summary;
  std::string schedule;  ///< "0.3:0.7,0.6:0.7": share of the depth : share of the current set kept
  int score_pool = 1;
  int64_t protect_first = 0, protect_last = 0;
  RevivalBudget revive_budget;
  int64_t min_prompt = 0;
};

std::vector<PolicyInfo> policies();
std::vector<PresetInfo> presets();

}  // namespace lazyllm
