// SPDX-License-Identifier: Apache-2.0
#include "engine/slice_budget.h"

#include <algorithm>

#include "lazy/step.h"

namespace lazyllm::engine {

size_t rows_that_fit(double left_seconds, double row_seconds, size_t least_rows) {
  if (!(left_seconds > 0.0)) return 0;
  if (!(row_seconds > 0.0)) return least_rows;
  constexpr double kMostRows = 1 << 20;  // more than any tile has; keeps the cast defined
  const auto rows = static_cast<size_t>(std::min(left_seconds / row_seconds, kMostRows));
  return rows < least_rows ? 0 : rows;
}

void SliceBudget::note_tile(size_t rows, double seconds) {
  if (rows > 0) row_seconds_.note(seconds / static_cast<double>(rows));
}

double SliceBudget::slice_seconds() const {
  return fixed_seconds_ > 0.0 ? fixed_seconds_ : kSliceSteps * step_seconds_.value();
}

size_t SliceBudget::next_tile_rows(double spent_seconds, bool first) const {
  constexpr size_t kLeast = lazy::StepRun::kLeastTileRows;
  const size_t rows = rows_that_fit(slice_seconds() - spent_seconds, row_seconds_.value(), kLeast);
  return first ? std::max(rows, kLeast) : rows;
}

}  // namespace lazyllm::engine
