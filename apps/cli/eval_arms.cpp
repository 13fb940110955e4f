// SPDX-License-Identifier: Apache-2.0
#include "eval_arms.h"

#include <fmt/format.h>

#include <algorithm>

namespace lazyllm::cli {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
  }
  return parts;
}

/// Sets what "score-pool=7" says, by the very flags of the command line.
void apply_settings(const std::vector<std::string>& settings, CommonOptions& options) {
  CLI::App flags;
  flags.set_help_flag();
  add_schedule_flags(flags, options);
  add_profile_flag(flags, options);
  flags.add_option("--seed", options.seed)->check(CLI::NonNegativeNumber);
  std::vector<std::string> arguments;
  for (const std::string& setting : settings) {
    if (setting.find('=') == std::string::npos) {
      throw CLI::ConversionError("'" + setting + "' is not FLAG=VALUE");
    }
    arguments.push_back("--" + setting);
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes a vector
  flags.parse(std::move(arguments));
}

}  // namespace

evaluation::Arm parse_arm(const std::string& flag, const std::string& text,
                          const CommonOptions& common) {
  std::vector<std::string> parts = split(text, '+');
  CommonOptions options = common;
  const size_t at = parts[0].find('@');
  options.policy = parts[0].substr(0, at);
  require_known_policy(options.policy);
  if (at != std::string::npos) options.prune = parts[0].substr(at + 1);
  if (at != std::string::npos && options.prune.empty()) {
    throw Error(ErrorCode::usage, fmt::format("{} {}: nothing stands behind the @", flag, text));
  }
  if (options.policy == "dense" && text != "dense" && !text.starts_with("dense+attention=")) {
    throw Error(ErrorCode::usage, fmt::format("{} {}: dense takes attention only", flag, text));
  }
  parts.erase(parts.begin());
  try {
    apply_settings(parts, options);
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::usage,
                fmt::format("{} {}: {}; write POLICY@SCHEDULE+FLAG=VALUE with the pruning "
                            "flags without their dashes, such as lazy@15:0.3+score-pool=7",
                            flag, text, error.what()));
  }
  const SessionOptions session = session_options(options);
  return {evaluation::describe(session.pruning), session};
}

std::vector<evaluation::Arm> parse_arms(const EvalOptions& options) {
  CommonOptions dense = options.common;
  dense.policy = "dense";
  dense.prune.clear();
  dense.attention.clear();
  std::vector<evaluation::Arm> arms = {{"dense", session_options(dense)}};
  for (const std::string& text : options.policies) {
    evaluation::Arm arm = parse_arm("--policy", text, options.common);
    if (!arm.is_dense()) arms.push_back(std::move(arm));
  }
  return arms;
}

void prepare_arms(std::vector<evaluation::Arm>& arms, const std::shared_ptr<const Model>& model) {
  for (evaluation::Arm& arm : arms) {
    const Session check(model, arm.session);
    const std::optional<Profile> profile = applied_profile(arm.session.pruning, *model);
    if (!profile) continue;
    arm.profile = evaluation::describe(profile->pruning);
    announce_settings(arm.session, *model);
  }
}

}  // namespace lazyllm::cli
