// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// How much a session may hold, and how.
struct SessionFlags {
  int64_t context = 0;
  std::string cache_type_k = "f16", cache_type_v = "f16";
  std::string color = "auto";
  bool verbose = false;
};

void add_cache_type_flags(CLI::App& command, SessionFlags& flags);
/// Of the programs that answer in a terminal.
void add_session_flags(CLI::App& command, SessionFlags& flags);
/// Without pruning. Errors: Error(usage).
SessionOptions bare_session_options(const SessionFlags& flags);

}  // namespace lazyllm::cli
