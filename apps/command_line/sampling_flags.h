// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// How an answer is chosen and where it ends.
struct SamplingFlags {
  SamplingOptions sampling;
  int64_t seed = -1;  ///< of policy random as well
  int64_t max_tokens = -1;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  int prompt_lookup_num_tokens = 0;
  bool allow_loops = false;
};

void add_sampling_flags(CLI::App& command, SamplingFlags& flags);
/// Of the programs that answer in a terminal.
void add_loop_flag(CLI::App& command, SamplingFlags& flags);
/// Whether an answer in circles is to be stopped (LoopDetector): only the most likely words lead
/// into one that never ends.
bool stops_loops(const SamplingFlags& flags);
GenerationOptions generation_options(const SamplingFlags& flags);

}  // namespace lazyllm::cli
