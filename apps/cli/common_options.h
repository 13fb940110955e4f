// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// Flags that several commands share, as the user wrote them.
struct CommonOptions {
  std::string model;
  std::vector<std::string> files;
  std::string prompt;
  std::string system_prompt;
  int threads = 0;
  std::string isa;
  int64_t context = 0;
  std::string cache_type_k = "f16", cache_type_v = "f16";
  std::string chat_template_file;
  bool no_warmup = false;
  bool no_chat = false;
  std::string color = "auto";
  // pruning
  std::string policy = "lazy", prune, profile = "none", score, revive_budget;
  double keep_mass = -1.0;
  int64_t protect_first = -1, protect_last = -1, min_prompt = -1;
  int score_pool = 0;
  // sampling
  SamplingOptions sampling;
  int64_t seed = -1;
  int64_t max_tokens = -1;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::string stats_json;
};

void add_model_flags(CLI::App& command, CommonOptions& options);
void add_machine_flags(CLI::App& command, CommonOptions& options);     // among the model's
void add_cache_type_flags(CLI::App& command, CommonOptions& options);  // among the session's
void add_session_flags(CLI::App& command, CommonOptions& options);
void add_pruning_flags(CLI::App& command, CommonOptions& options);
void add_schedule_flags(CLI::App& command, CommonOptions& options);  // all of them but --policy
/// --profile; options.profile holds the default: "auto" or "none".
void add_profile_flag(CLI::App& command, CommonOptions& options);
void add_sampling_flags(CLI::App& command, CommonOptions& options);

/// Errors: Error(usage).
void require_known_policy(const std::string& name);
SessionOptions session_options(const CommonOptions& options);
GenerationOptions generation_options(const CommonOptions& options);

/// Loads with progress on stderr; `load_ms` takes the time. Runs one token through
/// the model unless --no-warmup.
std::shared_ptr<const Model> load_model(const CommonOptions& options, double* load_ms = nullptr);

/// Says on stderr which profile a session with these options uses on the model, if any.
/// Errors: as applied_profile().
void announce_profile(const SessionOptions& options, const Model& model);

/// Content of the files, as read_document() gives it, and of -p. A pipe gives its text once: call
/// it once. Chat: blank lines between them; otherwise the bytes one after the other. Errors: as
/// read_document().
std::string compose_prompt(const CommonOptions& options);

}  // namespace lazyllm::cli
