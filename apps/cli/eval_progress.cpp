// SPDX-License-Identifier: Apache-2.0
#include "eval_progress.h"

#include <fmt/format.h>

namespace lazyllm::cli {

void EvalProgress::show(const evaluation::Progress& progress) {
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
  std::string left;
  if (progress.computed > 0) {
    const double each = spent.count() / static_cast<double>(progress.computed);
    const auto seconds =
        static_cast<int64_t>(each * static_cast<double>(progress.planned - progress.done));
    left = fmt::format(", about {}:{:02} min left", seconds / 60, seconds % 60);
  }
  line_.show("eval", static_cast<double>(progress.done) / static_cast<double>(progress.planned),
             fmt::format("{} {}/{}{}", progress.task, progress.done, progress.planned, left));
}

}  // namespace lazyllm::cli
