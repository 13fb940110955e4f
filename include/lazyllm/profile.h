// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "lazyllm/model.h"
#include "lazyllm/options.h"

namespace lazyllm {

/// What a profile was measured at, against the dense model.
struct ProfileFigures {
  std::string data;           ///< where the prompts came from, in words
  int64_t prompts = 0;        ///< held-out prompts measured
  int64_t prompt_tokens = 0;  ///< their mean length
  /// Of the time to first token: by the cost model, with the dense run's measured linear and
  /// attention time on the machine that tuned.
  double ttft_speedup = 0.0;
  double mean_kl = 0.0;   ///< nats, of the next-token distributions over the dense answers
  double same_top = 0.0;  ///< share of those tokens with the dense run's most likely token
  double answer_loglik_difference = 0.0;  ///< lazy - dense, nats per token of the answers
  double needle_recall = 0.0;             ///< share of the needles that the dense run finds too
  int64_t needles = 0;                    ///< found by the dense run
  double max_loss = 0.0;                  ///< the bound it was made for
};

/// A pruning profile: the settings of policy lazy that `lazyllm tune` found for one model, and the
/// figures they were measured at. A small JSON file.
struct Profile {
  std::filesystem::path path;  ///< where it was read from
  std::string fingerprint;     ///< model_fingerprint() of the model it was made for
  std::string model;           ///< that model's name, for messages
  std::string created_by;      ///< "lazyllm 0.1.0"
  /// prune, score, score_pool, keep_mass, protect_first, protect_last, revive_budget, min_prompt.
  PruningOptions pruning;
  ProfileFigures measured;
};

/// Errors: Error(io) if it cannot be read, Error(invalid_file) that names the file and what is
/// wrong with it.
Profile read_profile(const std::filesystem::path& path);
/// The same from its text; `path` is named in messages and becomes Profile::path.
Profile parse_profile(std::string_view text, const std::filesystem::path& path);
/// Writes it whole or not at all. Errors: Error(io).
void write_profile(const Profile& profile, const std::filesystem::path& path);

/// Names a model by its architecture, the shapes of its tensors and the values of its norms,
/// which stay the same in every quantisation. 16 hexadecimal digits.
std::string model_fingerprint(const Model& model);

/// The profile made for this model: `<model>.profile.json` beside the model file, then any
/// *.profile.json in LAZYLLM_PROFILES (a folder), then those that come with the library, whose
/// path is their bare name. Files that cannot be read or are for other models are passed over, but
/// for the one beside the model.
/// Errors: Error(invalid_file) for that one.
std::optional<Profile> find_profile(const Model& model);

/// The profile that PruningOptions::profile names ("auto": find_profile()), or nothing if none
/// applies: "" and "none", a policy other than lazy, an explicit `prune`.
/// Errors: Error(io | invalid_file); Error(usage) for a named profile of another model.
std::optional<Profile> applied_profile(const PruningOptions& options, const Model& model);

/// `options` with the members that a profile sets, but for `prune`, taken from `from` where unset.
PruningOptions fill_unset(PruningOptions options, const PruningOptions& from);

/// Whether a profile has a say: policy lazy, and no `prune` of its own.
bool takes_profile(const PruningOptions& options);
/// `options` with the members it leaves unset taken from the profile, if takes_profile().
PruningOptions with_profile(const PruningOptions& options, const Profile& profile);

}  // namespace lazyllm
