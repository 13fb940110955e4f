// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lazyllm/model.h"

// How far one run's next-token distributions are from the dense run's. Terms and signs are those
// of llama-perplexity's KL divergence report, with the dense run as its base.
namespace lazyllm::evaluation {

/// At one position. Nats; probabilities from 0 to 1.
struct Divergence {
  double kl = 0.0;         ///< sum of p_dense * log(p_dense / p_other), at least 0
  bool same_top = false;   ///< the most likely token is the same
  double nll_dense = 0.0;  ///< negative log-probability of the text's token, dense
  double nll_other = 0.0;
  double probability_change = 0.0;  ///< of the text's token: other minus dense
};

/// Compares two rows of logits [vocabulary]; `token` is the one that follows in the text.
/// Sums in double. Of equal logits the lowest id is the top. Thread-safe.
/// Errors: Error(invalid_input) for rows of different or no length, a token outside of them, or a
/// row with a NaN or without a finite largest value.
Divergence compare_logits(std::span<const float> dense, std::span<const float> other,
                          TokenId token);
/// The same with the dense run's top token in the place of the text's.
Divergence compare_logits(std::span<const float> dense, std::span<const float> other);

/// Over many positions. All zero without any.
struct DivergenceSummary {
  int64_t positions = 0;
  double kl_mean = 0.0, kl_p50 = 0.0, kl_p90 = 0.0, kl_p95 = 0.0, kl_p99 = 0.0, kl_max = 0.0;
  double same_top = 0.0;  ///< share of the positions
  double nll_dense = 0.0, nll_other = 0.0;
  double probability_change_rms = 0.0;
};

DivergenceSummary summarize(std::span<const Divergence> positions);

/// Linear interpolation between the nearest ranks (numpy.percentile's default); `percent` 0 to 100.
/// 0 without values.
double percentile(std::vector<double> values, double percent);

}  // namespace lazyllm::evaluation
