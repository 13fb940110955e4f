// SPDX-License-Identifier: Apache-2.0
#include "eval_progress.h"

#include <fmt/format.h>

namespace lazyllm::cli {

EvalProgress::EvalProgress(int64_t planned)
    : start_(std::chrono::steady_clock::now()), planned_(planned) {}

void EvalProgress::show(const std::string& task) {
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
  std::string left;
  if (computed_ > 0) {
    const double each = spent.count() / static_cast<double>(computed_);
    const auto seconds = static_cast<int64_t>(each * static_cast<double>(planned_ - done_));
    left = fmt::format(", about {}:{:02} min left", seconds / 60, seconds % 60);
  }
  line_.show("eval", static_cast<double>(done_) / static_cast<double>(planned_),
             fmt::format("{} {}/{}{}", task, done_, planned_, left));
}

void EvalProgress::count(bool computed) {
  ++done_;
  if (computed) ++computed_;
}

}  // namespace lazyllm::cli
