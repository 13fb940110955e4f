// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/profile.h"

// Finds the settings of policy lazy that are fastest for a model at a bounded loss: `lazyllm tune`.
namespace lazyllm::tuning {

struct TunePromptOptions {
  std::vector<std::string> data;  ///< texts, folders of texts, jsonl files, LongBench folders
  std::string records = "all";    ///< or even, odd: which line numbers of jsonl files
  int64_t tokens = 3500;          ///< most of a prompt; some are shorter
  int64_t limit = 0;              ///< records of each task; 0: all
  int64_t needles = 24, windows = 12;
  bool no_chat = false;
  uint64_t seed = 0;
};

struct TuneOptions {
  TunePromptOptions data;
  SessionOptions session;  ///< cache types; its pruning options are not used
  /// "lazy"; or "tsp" or "static", to be compared with: no profile is made of them.
  std::string policy = "lazy";
  std::vector<PruningOptions> only;  ///< measured instead of a search, however long it takes
  double max_loss = 0.01;            ///< 0.01 for 1 %
  double min_speedup = 1.3;          ///< a profile that gains less is not worth its loss
  double time_limit_minutes = 0.0;   ///< of the search; 0: none
  std::filesystem::path state;       ///< folder for the trials: an interrupted run goes on there
};

struct TuneResult {
  std::string report;  ///< tables in Markdown, and what came out
  bool found = false;
  std::optional<Profile> profile;  ///< of policy lazy, if one was found
};

struct TuneProgress {
  std::string what;
  double minutes = 0.0;
  int64_t trials = 0;
};

/// Searches, then measures the best on prompts held out of the search.
/// Errors: as the reading of prompts (Error(io | invalid_file | usage) with file and line) and
/// PruningTrial have them.
TuneResult tune(std::shared_ptr<const Model> model, const TuneOptions& options,
                const std::function<void(const TuneProgress&)>& on_progress);

}  // namespace lazyllm::tuning
