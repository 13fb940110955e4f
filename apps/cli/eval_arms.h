// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eval_options.h"
#include "lazyllm/evaluation/arm.h"

namespace lazyllm::cli {

/// POLICY[@SCHEDULE][+FLAG=VALUE...], as it stands behind `flag`; FLAG is seed or any of the
/// pruning flags without its dashes. What is not named is as in `common`. Errors: Error(usage).
evaluation::Arm parse_arm(const std::string& flag, const std::string& text,
                          const CommonOptions& common);

/// Dense, then each --policy, whose settings hold for this run only. A policy without a schedule
/// has --prune's. Errors: Error(usage).
std::vector<evaluation::Arm> parse_arms(const EvalOptions& options);

/// Finds the arms' profiles and says which; a schedule that the model cannot have is found now, not
/// in an hour. Errors: those of Session and applied_profile().
void prepare_arms(std::vector<evaluation::Arm>& arms, const std::shared_ptr<const Model>& model);

}  // namespace lazyllm::cli
