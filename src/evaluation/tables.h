// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lazyllm/evaluation/arm.h"

// What `lazyllm eval` prints: a first look in Markdown. `lazyllm report` says how sure it is.
namespace lazyllm::evaluation {

struct TaskSamples {
  std::string name, metric;
  std::vector<std::vector<nlohmann::ordered_json>> arms;  ///< [arm][record], dense first
};

/// A row for each task and arm.
std::string score_table(const std::vector<TaskSamples>& tasks, const std::vector<Arm>& arms);
/// For each task and arm the share of needles found, length by depth.
std::string needle_grids(const std::vector<TaskSamples>& tasks, const std::vector<Arm>& arms);
/// Perplexity and divergence of each text and arm.
std::string text_table(const std::vector<TaskSamples>& tasks, const std::vector<Arm>& arms);

}  // namespace lazyllm::evaluation
