// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/profile.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_object.h"
#include "base/write_whole_file.h"
#include "lazy/importance_score.h"
#include "lazy/schedule.h"

namespace lazyllm {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kFormat = "lazyllm-profile";
constexpr int64_t kVersion = 1;
constexpr int64_t kMostTokens = int64_t{1} << 40;
constexpr uintmax_t kMostBytes = 1 << 20;  // profiles are small; anything else is another file

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code unknown_size;
  const uintmax_t bytes = std::filesystem::file_size(path, unknown_size);
  if (!file || unknown_size) {
    fail(ErrorCode::io, "cannot read the profile {}; --profile takes a file or none",
         path.string());
  }
  if (bytes > kMostBytes) {
    fail(ErrorCode::invalid_file, "{} is no profile: it has {} bytes", path.string(), bytes);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What resolve() would refuse must not hide in a file: the message names the file.
void check_settings(const PruningOptions& pruning, const std::string& where) {
  try {
    lazy::parse_schedule(pruning.prune);
    lazy::ImportanceScore().parse(*pruning.score);
  } catch (const Error& error) {
    fail(ErrorCode::invalid_file, "{}: {}", where, error.what());
  }
}

PruningOptions read_pruning(const JsonObject& object) {
  PruningOptions pruning;
  pruning.prune = object.require(object.text("schedule"), "schedule");
  pruning.score = object.require(object.text("score"), "score");
  pruning.score_pool =
      static_cast<int>(object.require(object.integer("score_pool", 1, 4095), "score_pool"));
  pruning.keep_mass = object.real("keep_mass").value_or(0.0);
  if (!(*pruning.keep_mass >= 0.0 && *pruning.keep_mass <= 1.0)) {
    fail(ErrorCode::invalid_file, "{}: {} must lie in 0 to 1", object.where(),
         object.name("keep_mass"));
  }
  const auto tokens = [&](std::string_view key) {
    return object.require(object.integer(key, 0, kMostTokens), key);
  };
  pruning.protect_first = tokens("protect_first");
  pruning.protect_last = tokens("protect_last");
  pruning.min_prompt = tokens("min_prompt");
  const int64_t budget =
      object.require(object.integer("revive_budget", -1, kMostTokens), "revive_budget");
  pruning.revive_budget = RevivalBudget{budget};
  check_settings(pruning, object.where());
  return pruning;
}

ProfileFigures read_figures(const JsonObject& object) {
  ProfileFigures figures;
  figures.data = object.text("data").value_or("");
  figures.prompts = object.integer("prompts", 0, kMostTokens).value_or(0);
  figures.prompt_tokens = object.integer("prompt_tokens", 0, kMostTokens).value_or(0);
  figures.ttft_speedup = object.real("ttft_speedup").value_or(0.0);
  figures.mean_kl = object.real("mean_kl").value_or(0.0);
  figures.same_top = object.real("same_top").value_or(0.0);
  figures.answer_loglik_difference = object.real("answer_loglik_difference").value_or(0.0);
  figures.needle_recall = object.real("needle_recall").value_or(0.0);
  figures.needles = object.integer("needles", 0, kMostTokens).value_or(0);
  figures.max_loss = object.real("max_loss").value_or(0.0);
  return figures;
}

ordered_json to_json(const PruningOptions& pruning) {
  return {{"schedule", pruning.prune},
          {"score", pruning.score.value_or("last")},
          {"score_pool", pruning.score_pool.value_or(1)},
          {"keep_mass", pruning.keep_mass.value_or(0.0)},
          {"protect_first", pruning.protect_first.value_or(0)},
          {"protect_last", pruning.protect_last.value_or(0)},
          {"revive_budget", pruning.revive_budget.value_or(RevivalBudget{}).tokens},
          {"min_prompt", pruning.min_prompt.value_or(0)}};
}

ordered_json to_json(const ProfileFigures& figures) {
  return {{"data", figures.data},
          {"prompts", figures.prompts},
          {"prompt_tokens", figures.prompt_tokens},
          {"ttft_speedup", figures.ttft_speedup},
          {"mean_kl", figures.mean_kl},
          {"same_top", figures.same_top},
          {"answer_loglik_difference", figures.answer_loglik_difference},
          {"needle_recall", figures.needle_recall},
          {"needles", figures.needles},
          {"max_loss", figures.max_loss}};
}

}  // namespace

Profile read_profile(const std::filesystem::path& path) {
  return parse_profile(read_text(path), path);
}

Profile parse_profile(std::string_view text, const std::filesystem::path& path) {
  const nlohmann::json content = parse_json_object(text, path.string());
  const JsonObject object(content, path.string(), "", "make the profile anew with lazyllm tune");
  if (object.text("format").value_or("") != kFormat) {
    fail(ErrorCode::invalid_file, "{} is no profile: \"format\" is not \"{}\"", path.string(),
         kFormat);
  }
  const int64_t version = object.require(object.integer("version", 0, kMostTokens), "version");
  if (version != kVersion) {
    fail(ErrorCode::invalid_file,
         "{}: profile version {}, this program reads version {}; make it anew with lazyllm tune",
         path.string(), version, kVersion);
  }
  const JsonObject model = object.require(object.object("model"), "model");
  Profile profile;
  profile.path = path;
  profile.fingerprint = model.require(model.text("fingerprint"), "fingerprint");
  profile.model = model.text("name").value_or("");
  profile.created_by = object.text("created_by").value_or("");
  profile.pruning = read_pruning(object.require(object.object("pruning"), "pruning"));
  if (const auto measured = object.object("measured")) profile.measured = read_figures(*measured);
  return profile;
}

void write_profile(const Profile& profile, const std::filesystem::path& path) {
  const ordered_json content = {
      {"format", kFormat},
      {"version", kVersion},
      {"model", {{"name", profile.model}, {"fingerprint", profile.fingerprint}}},
      {"pruning", to_json(profile.pruning)},
      {"measured", to_json(profile.measured)},
      {"created_by", profile.created_by}};
  write_whole_file(path, content.dump(1) + "\n");
}

bool takes_profile(const PruningOptions& options) {
  return options.policy == "lazy" && options.prune.empty();
}

PruningOptions fill_unset(PruningOptions options, const PruningOptions& from) {
  if (!options.score) options.score = from.score;
  if (!options.score_pool) options.score_pool = from.score_pool;
  if (!options.keep_mass) options.keep_mass = from.keep_mass;
  if (!options.protect_first) options.protect_first = from.protect_first;
  if (!options.protect_last) options.protect_last = from.protect_last;
  if (!options.revive_budget) options.revive_budget = from.revive_budget;
  if (!options.min_prompt) options.min_prompt = from.min_prompt;
  return options;
}

PruningOptions with_profile(const PruningOptions& options, const Profile& profile) {
  if (!takes_profile(options)) return options;
  PruningOptions merged = fill_unset(options, profile.pruning);
  merged.prune = profile.pruning.prune;
  return merged;
}

}  // namespace lazyllm
