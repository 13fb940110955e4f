// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "lazyllm/evaluation/evaluate.h"
#include "terminal.h"

namespace lazyllm::cli {

/// Samples done of those planned, and the time that is left, judged by those computed now.
class EvalProgress {
 public:
  void show(const evaluation::Progress& progress);
  void clear() { line_.clear(); }

 private:
  ProgressLine line_{ProgressLine::Elsewhere::kEachMinute};
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace lazyllm::cli
