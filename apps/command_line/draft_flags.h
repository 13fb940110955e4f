// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace lazyllm::cli {

/// The small model that writes ahead of the one that answers.
struct DraftFlags {
  std::string draft_model;
  int draft_max = 8;
};

void add_draft_flags(CLI::App& command, DraftFlags& flags);

}  // namespace lazyllm::cli
