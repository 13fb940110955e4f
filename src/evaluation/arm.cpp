// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/arm.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "lazyllm/version.h"

namespace lazyllm::evaluation {
namespace {

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

const char* name_of(CacheType type) {
  if (type == CacheType::f32) return "f32";
  return type == CacheType::q8_0 ? "q8_0" : "f16";
}

}  // namespace

std::string describe(const PruningOptions& pruning) {
  std::string text = pruning.policy;
  if (!pruning.prune.empty()) text += "@" + pruning.prune;
  const auto add = [&](const char* flag, const auto& value) {
    if (value) text += fmt::format("+{}={}", flag, *value);
  };
  add("score", pruning.score);
  add("score-pool", pruning.score_pool);
  add("keep-mass", pruning.keep_mass);
  add("protect-first", pruning.protect_first);
  add("protect-last", pruning.protect_last);
  if (pruning.revive_budget) {
    const int64_t tokens = pruning.revive_budget->tokens;
    text += fmt::format("+revive-budget={}", tokens < 0 ? "all" : std::to_string(tokens));
  }
  add("min-prompt", pruning.min_prompt);
  if (pruning.attention != "dense") add("attention", pruning.attention);
  const bool profiled = pruning.policy == "lazy" && pruning.prune.empty();
  if (profiled && !pruning.profile.empty() && pruning.profile != "none") {
    text += "+profile=" + pruning.profile;
  }
  if (pruning.policy == "random" && pruning.seed != 0)
    text += fmt::format("+seed={}", pruning.seed);
  return text;
}

std::string fingerprint(const Arm& arm, const ModelInfo& model) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(model.path, error);
  std::string text =
      fmt::format("3|{}|{}|{}|{}|{}|{}|{}|{}|{}", version(), path.string(), model.file_bytes,
                  file_state(model.path), model.isa, model.threads,
                  name_of(arm.session.cache_type_k), name_of(arm.session.cache_type_v), arm.name);
  if (!arm.profile.empty()) text += "|" + arm.profile;
  return text;
}

}  // namespace lazyllm::evaluation
