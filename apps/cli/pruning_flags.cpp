// SPDX-License-Identifier: Apache-2.0
#include "pruning_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>

#include "help.h"

namespace lazyllm::cli {
namespace {

const std::string kGroup = "Skipping";

RevivalBudget parse_budget(const std::string& text) {
  if (text == "all") return {RevivalBudget::kAll};
  if (text == "none") return {0};
  int64_t tokens = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), tokens);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || tokens < 0) {
    throw Error(ErrorCode::usage,
                fmt::format("--revive-budget {}: write a number of tokens, all or none", text));
  }
  return {tokens};
}

}  // namespace

void add_pruning_flags(CLI::App& command, PruningFlags& flags) {
  command.add_option("--policy", flags.policy, "method of skipping: lazyllm policies lists them")
      ->capture_default_str()
      ->group(kGroup);
  add_schedule_flags(command, flags);
}

void add_schedule_flags(CLI::App& command, PruningFlags& flags) {
  command
      .add_option("--prune", flags.prune,
                  "how much to skip: careful, balanced, fast, off, paper; or where and how much, "
                  "LAYER:KEEP,...: 19:0.1 keeps a tenth after layer 19")
      ->group(kGroup);
  const std::string expert = expert_group();
  command
      .add_option("--attention", flags.attention,
                  "long prompts: dense, or sparse[:SHARE][@TOKENS]: to a share of what came before")
      ->group(expert);
  command
      .add_option("--protect-first", flags.protect_first,
                  "so many tokens at the beginning are never skipped")
      ->check(CLI::NonNegativeNumber)
      ->group(expert);
  command
      .add_option("--protect-last", flags.protect_last,
                  "so many tokens at the end are never skipped")
      ->check(CLI::NonNegativeNumber)
      ->group(expert);
  command
      .add_option("--revive-budget", flags.revive_budget,
                  "how many skipped tokens may come back for each token written: N, all, none")
      ->group(expert);
  command
      .add_option("--min-prompt", flags.min_prompt, "prompts with fewer tokens are read in full")
      ->check(CLI::NonNegativeNumber)
      ->group(expert);
  command
      .add_option("--score", flags.score,
                  "how importance is measured: last (the paper), window:W, value[:W], ahead[:N], "
                  "accumulate:N, peak:N, heads:LAYER.HEAD=WEIGHT,...; the last three also with @W; "
                  "see docs/tuning.md")
      ->group(expert);
  command
      .add_option("--score-pool", flags.score_pool,
                  "keep whole phrases: spread each token's score over this many neighbours; odd")
      ->check(CLI::PositiveNumber)
      ->group(expert);
  command
      .add_option("--keep-mass", flags.keep_mass,
                  "keep fewer tokens when few carry this share of the attention; 0: off")
      ->check(CLI::Range(0.0, 1.0))
      ->group(expert);
}

void add_profile_flag(CLI::App& command, PruningFlags& flags) {
  command
      .add_option(
          "--profile", flags.profile,
          "settings that lazyllm tune measured: auto (looked for), none, or a file; --prune "
          "wins over them")
      ->capture_default_str()
      ->group(kGroup);
}

std::string wanted_policy(const PruningFlags& flags) {
  return flags.prune == "off" ? "dense" : flags.policy;
}

void require_known_policy(const std::string& name) {
  for (const PolicyInfo& info : policies()) {
    if (info.name == name) return;
  }
  throw Error(ErrorCode::usage, fmt::format("--policy {}: unknown; see lazyllm policies", name));
}

PruningOptions pruning_options(const PruningFlags& flags, int64_t seed) {
  PruningOptions pruning;
  pruning.policy = flags.policy;
  pruning.prune = flags.prune;
  pruning.profile = flags.profile;
  if (!flags.attention.empty()) pruning.attention = flags.attention;
  if (!flags.score.empty()) pruning.score = flags.score;
  if (flags.keep_mass >= 0.0) pruning.keep_mass = flags.keep_mass;
  if (flags.score_pool > 0) pruning.score_pool = flags.score_pool;
  if (flags.protect_first >= 0) pruning.protect_first = flags.protect_first;
  if (flags.protect_last >= 0) pruning.protect_last = flags.protect_last;
  if (!flags.revive_budget.empty()) pruning.revive_budget = parse_budget(flags.revive_budget);
  if (flags.min_prompt >= 0) pruning.min_prompt = flags.min_prompt;
  pruning.seed = static_cast<uint64_t>(seed < 0 ? 0 : seed);
  return pruning;
}

void announce_settings(const SessionOptions& options, const Model& model) {
  const PruningOptions& pruning = options.pruning;
  std::string line;
  if (pruning.policy == "dense" || pruning.prune == "off") {
    line = "Settings: off, nothing is skipped.";
  } else if (const std::optional<Profile> profile = applied_profile(pruning, model)) {
    line =
        fmt::format("Settings: measured for {} (profile {}): the first word about {:.1f}x as soon",
                    profile->model, profile->path.string(), profile->measured.ttft_speedup);
    if (profile->measured.same_top > 0.0) {
      line += fmt::format(", the same next word in {:.0f} % of cases",
                          100.0 * profile->measured.same_top);
    }
    line += ".";
  } else if (!pruning.prune.empty()) {
    line = fmt::format("Settings: {} {}.", pruning.policy, pruning.prune);
  } else if (pruning.policy == "lazy") {
    line = "Settings: careful; this model was not measured yet, lazyllm tune does that.";
  } else {
    line = fmt::format("Settings: policy {}.", pruning.policy);
  }
  std::fputs((line + "\n").c_str(), stderr);
}

}  // namespace lazyllm::cli
