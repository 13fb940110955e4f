// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lazy/step_part.h"
#include "lazyllm/session.h"

namespace lazyllm::engine {

/// What a prompt's step tells, in the statistics of its answer.
inline void add_prompt_step(const lazy::StepReport& report, Statistics& statistics) {
  const auto phase_ms = [&](lazy::Phase phase) {
    return report.seconds[static_cast<size_t>(phase)] * 1e3;
  };
  statistics.kept_per_layer = report.set_sizes;
  statistics.revived_tokens = report.revived;
  if (report.causal_pairs > 0) {
    statistics.attention_share =
        static_cast<double>(report.attended_pairs) / static_cast<double>(report.causal_pairs);
  }
  statistics.linear_ms = phase_ms(lazy::Phase::linear);
  statistics.attention_ms = phase_ms(lazy::Phase::attention);
  statistics.pruning_ms = phase_ms(lazy::Phase::pruning);
  statistics.head_ms = phase_ms(lazy::Phase::head);
}

}  // namespace lazyllm::engine
