// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace lazyllm::engine {

/// How long a decode step of so many rows takes, as a straight line through the steps of late: the
/// weights are read once, whatever the number. A plain value.
class StepCost {
 public:
  /// What a further row takes, as a share of a step of one, before it was seen.
  void expect(double further_row) { further_row_ = further_row; }

  void note(int64_t rows, double seconds) {
    const auto r = static_cast<double>(rows);
    weight_ = kForget * weight_ + 1.0;
    rows_ = kForget * rows_ + r;
    rows_squared_ = kForget * rows_squared_ + r * r;
    seconds_ = kForget * seconds_ + seconds;
    products_ = kForget * products_ + r * seconds;
  }

  bool measured() const { return weight_ > 0.0; }
  /// In seconds; before the first step in a unit that only compares.
  double of(int64_t rows) const {
    if (weight_ == 0.0) return 1.0 + further_row_ * static_cast<double>(rows - 1);
    const double mean_rows = rows_ / weight_, mean = seconds_ / weight_;
    const double variance = rows_squared_ / weight_ - mean_rows * mean_rows;
    const double each = mean / (1.0 + further_row_ * (mean_rows - 1.0)) * further_row_;
    // As if there were a little evidence for the usual slope: few steps prove nothing.
    const double measured = products_ / weight_ - mean_rows * mean;
    const double slope = std::max(0.0, (measured + kTrust * each) / (variance + kTrust));
    const double further = slope * (static_cast<double>(rows) - mean_rows);
    return std::max(mean + further, kLeast * mean);
  }

 private:
  static constexpr double kForget = 0.98;  // per step
  static constexpr double kTrust = 0.05;   // rows squared
  static constexpr double kLeast = 0.2;
  double further_row_ = 0.06;  // measured: 0.03 to 0.05
  double weight_ = 0.0, rows_ = 0.0, rows_squared_ = 0.0, seconds_ = 0.0, products_ = 0.0;
};

}  // namespace lazyllm::engine
