// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// Mean and standard deviation of the repetitions.
struct Measured {
  double mean = 0.0, deviation = 0.0;
};
Measured measured(const std::vector<double>& values);

/// One line of `lazyllm bench`: what was measured, llama-bench's way of naming it.
struct BenchRow {
  ModelInfo model;
  MachineLimits machine;
  std::string test;  ///< pp512, pp512@d4096, tg16, tg16@d4096, ttft4096, tpot16@d4096
  std::string policy, schedule;
  Measured tokens_per_second, milliseconds;
  double computed_fraction = 1.0, computed_fraction_end = 1.0;
  std::optional<double> share_of_roofline;   ///< shortest time the machine allows / time
  std::optional<double> speedup;             ///< dense time / time, alternating in this run
  std::optional<double> cost_model_speedup;  ///< what the schedule's arithmetic promises
  std::optional<double> overhead;            ///< score, select and gather: share of the prefill
};

/// `format`: md, json or csv. JSON is an array of rows.
std::string format_rows(const std::vector<BenchRow>& rows, const std::string& format);

}  // namespace lazyllm::cli
