// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eval_options.h"

namespace lazyllm::cli {

/// One of the runs that are compared.
struct EvalArm {
  /// "dense", "lazy@15:0.3+score-pool=7": everything of the pruning that is set, as it stands in
  /// the samples.
  std::string name;
  CommonOptions options;
  std::string profile = {};  ///< what the profile that applies sets; empty without one

  const std::string& policy() const { return options.policy; }
  bool is_dense() const { return options.policy == "dense"; }
};

/// POLICY[@SCHEDULE][+FLAG=VALUE...], as it stands behind `flag`; FLAG is seed or any of the
/// pruning flags without its dashes. What is not named is as in `common`. Errors: Error(usage).
EvalArm parse_arm(const std::string& flag, const std::string& text, const CommonOptions& common);

/// Dense, then each --policy, whose settings hold for this run only. A policy without a schedule
/// has --prune's. Errors: Error(usage).
std::vector<EvalArm> parse_arms(const EvalOptions& options);

/// Finds the arms' profiles and says which; a schedule that the model cannot have is found now, not
/// in an hour. Errors: those of Session and applied_profile().
void prepare_arms(std::vector<EvalArm>& arms, const std::shared_ptr<const Model>& model);

/// Everything that a result with this run depends on beside the prompt: a sample made with another
/// text is not used again.
std::string fingerprint(const EvalArm& arm, const ModelInfo& model);

}  // namespace lazyllm::cli
