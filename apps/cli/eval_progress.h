// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "terminal.h"

namespace lazyllm::cli {

/// How far an evaluation is and how long it still takes. Samples that were there already are done
/// in no time, so only those that were computed count for the estimate.
class EvalProgress {
 public:
  explicit EvalProgress(int64_t planned);
  /// Before each sample.
  void show(const std::string& task);
  void count(bool computed);
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
  std::chrono::steady_clock::time_point start_;
  int64_t planned_ = 0, done_ = 0, computed_ = 0;
};

}  // namespace lazyllm::cli
