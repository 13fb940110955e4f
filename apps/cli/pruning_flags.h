// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// What is pruned, as the user wrote it; negative and empty: not said.
struct PruningFlags {
  std::string policy = "lazy", prune, profile = "none", score, revive_budget, attention;
  double keep_mass = -1.0;
  int64_t protect_first = -1, protect_last = -1, min_prompt = -1;
  int score_pool = 0;
};

void add_pruning_flags(CLI::App& command, PruningFlags& flags);
void add_schedule_flags(CLI::App& command, PruningFlags& flags);  // all of them but --policy
/// --profile; flags.profile holds the default: "auto" or "none".
void add_profile_flag(CLI::App& command, PruningFlags& flags);

/// The policy that these flags ask for: preset off is dense.
std::string wanted_policy(const PruningFlags& flags);
/// Errors: Error(usage).
void require_known_policy(const std::string& name);
/// Errors: Error(usage).
PruningOptions pruning_options(const PruningFlags& flags, int64_t seed);

/// Says on stderr, in one line, which settings hold for a session with these options on the model.
/// Errors: as applied_profile().
void announce_settings(const SessionOptions& options, const Model& model);

}  // namespace lazyllm::cli
