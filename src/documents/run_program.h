// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lazyllm/document_reader.h"

namespace lazyllm::documents {

struct ProgramEnd {
  enum class How { exited, by_signal, out_of_time, too_much_output } how = How::exited;
  int status = 0;  ///< of exit, or the signal
  std::string output;
  std::string complaint;  ///< beginning of what it wrote on stderr

  bool succeeded() const { return how == How::exited && status == 0; }
};

/// Where PATH has the program.
std::optional<std::filesystem::path> find_program(const std::string& name);

/// Runs a program without a shell in `folder`: no input, nothing of this process's files, a small
/// environment, a process group of its own that is killed when a limit is exceeded and when it
/// ends. Errors: Error(io) if it cannot be started.
ProgramEnd run_program(const std::filesystem::path& program,
                       const std::vector<std::string>& arguments,
                       const std::filesystem::path& folder, const ConversionLimits& limits);

}  // namespace lazyllm::documents
