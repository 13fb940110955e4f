// SPDX-License-Identifier: Apache-2.0
#include "eval_arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

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

/// Size and time of change of the file, or of each in a folder.
std::string file_state(const std::filesystem::path& path) {
  std::string state;
  std::error_code error;
  const auto add = [&](const std::filesystem::path& file) {
    const auto time = std::filesystem::last_write_time(file, error).time_since_epoch().count();
    state += fmt::format("{}:{}:{};", file.filename().string(),
                         std::filesystem::file_size(file, error), time);
  };
  if (!std::filesystem::is_directory(path, error)) {
    add(path);
    return state;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) add(file);
  return state;
}

}  // namespace

EvalArm parse_arm(const std::string& flag, const std::string& text, const CommonOptions& common) {
  std::vector<std::string> parts = split(text, '+');
  EvalArm arm{"", common};
  const size_t at = parts[0].find('@');
  arm.options.policy = parts[0].substr(0, at);
  require_known_policy(arm.policy());
  if (at != std::string::npos) arm.options.prune = parts[0].substr(at + 1);
  if (at != std::string::npos && arm.options.prune.empty()) {
    throw Error(ErrorCode::usage, fmt::format("{} {}: nothing stands behind the @", flag, text));
  }
  if (arm.is_dense() && text != "dense") {
    throw Error(ErrorCode::usage, fmt::format("{} {}: dense has no settings", flag, text));
  }
  parts.erase(parts.begin());
  try {
    apply_settings(parts, arm.options);
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::usage,
                fmt::format("{} {}: {}; write POLICY@SCHEDULE+FLAG=VALUE with the pruning "
                            "flags without their dashes, such as lazy@15:0.3+score-pool=7",
                            flag, text, error.what()));
  }
  arm.name = to_string(session_options(arm.options).pruning);
  return arm;
}

std::vector<EvalArm> parse_arms(const EvalOptions& options) {
  CommonOptions dense = options.common;
  dense.policy = "dense";
  dense.prune.clear();
  std::vector<EvalArm> arms = {EvalArm{"dense", dense}};
  for (const std::string& text : options.policies) {
    EvalArm arm = parse_arm("--policy", text, options.common);
    if (!arm.is_dense()) arms.push_back(std::move(arm));
  }
  return arms;
}

void prepare_arms(std::vector<EvalArm>& arms, const std::shared_ptr<const Model>& model) {
  for (EvalArm& arm : arms) {
    const SessionOptions options = session_options(arm.options);
    const Session check(model, options);
    const std::optional<Profile> profile = applied_profile(options.pruning, *model);
    if (!profile) continue;
    arm.profile = to_string(profile->pruning);
    announce_profile(options, *model);
  }
}

std::string fingerprint(const EvalArm& arm, const ModelInfo& model) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(model.path, error);
  std::string text = fmt::format("3|{}|{}|{}|{}|{}|{}|{}|{}|{}", version(), path.string(),
                                 model.file_bytes, file_state(model.path), model.isa, model.threads,
                                 arm.options.cache_type_k, arm.options.cache_type_v, arm.name);
  if (!arm.profile.empty()) text += "|" + arm.profile;
  return text;
}

}  // namespace lazyllm::cli
