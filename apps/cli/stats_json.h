// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// The statistics file of --stats-json. Opened before the work, so that an unwritable path
/// costs nothing. Errors: Error(io).
class StatsFile {
 public:
  /// An empty path: no file.
  explicit StatsFile(const std::string& path);
  /// `depths`: layers that each token of the prompt was carried through; empty: left out.
  void write(const Model& model, const Statistics& statistics, double load_ms,
             const std::vector<int32_t>& depths = {}) const;

 private:
  std::string path_;
};

/// What an answer cost, one line for stderr. `wanted`: the policy asked for; a short prompt runs
/// dense.
std::string summary(const Statistics& statistics, const std::string& wanted);
/// The same with every figure, two lines.
std::string details(const Statistics& statistics, double load_ms);

}  // namespace lazyllm::cli
