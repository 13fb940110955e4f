// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "draft_flags.h"
#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// Which model is loaded, and onto what.
struct ModelFlags {
  std::string model;
  std::string hub_model;  ///< of --hf-repo, instead of `model`
  int threads = 0;
  std::string isa;
  std::string chat_template_file;
  bool no_warmup = false;
};

void add_model_flags(CLI::App& command, ModelFlags& flags);
void add_machine_flags(CLI::App& command, ModelFlags& flags);  // among the model's

void add_warmup_flag(CLI::App& command, ModelFlags& flags);

/// The path of -m, or of --hf-repo, which is fetched if it is not there. Errors: as find_model()
/// and pull_model(); Error(usage) if neither is given or both are.
std::filesystem::path model_path(const ModelFlags& flags);

/// Loads with progress on stderr; `load_ms` takes the time. Runs one token through
/// the model unless --no-warmup.
std::shared_ptr<const Model> load_model(const ModelFlags& flags, double* load_ms = nullptr);

/// Puts the small model into `session`, loaded as the large one is, if one is named.
void take_draft_model(const DraftFlags& flags, ModelFlags large, SessionOptions& session);

}  // namespace lazyllm::cli
