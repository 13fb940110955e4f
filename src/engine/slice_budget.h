// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace lazyllm::engine {

/// Rows that fit into the rest of a slice; 0: none, the slice is over. Fewer than `least_rows` take
/// hardly less time than these, so they do not begin. `row_seconds` <= 0: nothing is known yet,
/// then `least_rows` are tried.
size_t rows_that_fit(double left_seconds, double row_seconds, size_t least_rows);

/// A value that changes slowly, as it was lately.
class RunningAverage {
 public:
  void note(double value) { value_ = value_ == 0.0 ? value : 0.8 * value_ + 0.2 * value; }
  double value() const { return value_; }

 private:
  double value_ = 0.0;
};

/// How much of the prompts may be computed between two steps of answers that are being written:
/// so much that nobody waits long for the next word, and at least a small tile, so that prompts
/// come to their end. A plain value; no clock of its own.
class SliceBudget {
 public:
  /// Prefill between two steps, in such steps. More makes prompts sooner and answers slower.
  static constexpr double kSliceSteps = 1.5;

  /// `fixed_seconds` > 0: of each slice, whatever a step takes.
  explicit SliceBudget(double fixed_seconds) : fixed_seconds_(fixed_seconds) {}

  void note_step(double seconds) { step_seconds_.note(seconds); }
  void note_tile(size_t rows, double seconds);

  double slice_seconds() const;
  /// Most rows of the slice's next tile when `spent_seconds` of it are gone; 0: the slice is over.
  /// The first tile is never refused.
  size_t next_tile_rows(double spent_seconds, bool first) const;

 private:
  double fixed_seconds_;
  RunningAverage step_seconds_, row_seconds_;
};

}  // namespace lazyllm::engine
