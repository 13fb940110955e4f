// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// The statistics file of --stats-json. Opened before the work, so that an unwritable path
/// costs nothing. Errors: Error(io).
class StatsFile {
 public:
  /// An empty path: no file.
  explicit StatsFile(const std::string& path);
  void write(const Model& model, const Statistics& statistics, double load_ms) const;

 private:
  std::string path_;
};

/// The summary after an answer, one or two lines for stderr.
std::string summary(const Statistics& statistics, double load_ms);

}  // namespace lazyllm::cli
