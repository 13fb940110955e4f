// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace lazyllm::evaluation {
namespace {

/// Logarithm of the sum of exponentials, in two parts so that no digits are lost.
struct Normalizer {
  double largest = 0.0, log_sum = 0.0;
  size_t top = 0;

  explicit Normalizer(std::span<const float> logits) {
    if (std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); })) {
      fail(ErrorCode::invalid_input, "a row of logits holds a NaN; the model file may be damaged");
    }
    const auto best = std::max_element(logits.begin(), logits.end());
    if (!std::isfinite(*best)) {
      fail(ErrorCode::invalid_input,
           "a row of logits has no finite largest value; the model file may be damaged");
    }
    top = static_cast<size_t>(best - logits.begin());
    largest = *best;
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(logit - largest);
    log_sum = std::log(sum);
  }
  double log_probability(float logit) const { return logit - largest - log_sum; }
};

Divergence compare(std::span<const float> dense, const Normalizer& p, std::span<const float> other,
                   const Normalizer& q, size_t token) {
  Divergence result;
  for (size_t i = 0; i < dense.size(); ++i) {
    const double log_p = p.log_probability(dense[i]);
    const double probability = std::exp(log_p);
    // What dense never says adds nothing, whatever the other thinks of it.
    if (probability > 0.0) result.kl += probability * (log_p - q.log_probability(other[i]));
  }
  result.kl = std::max(result.kl, 0.0);  // rounding of equal rows
  result.same_top = p.top == q.top;
  result.nll_dense = -p.log_probability(dense[token]);
  result.nll_other = -q.log_probability(other[token]);
  result.probability_change = std::exp(-result.nll_other) - std::exp(-result.nll_dense);
  return result;
}

void check_rows(std::span<const float> dense, std::span<const float> other) {
  if (dense.empty() || dense.size() != other.size()) {
    fail(ErrorCode::invalid_input,
         "rows of {} and {} logits cannot be compared; both must be of one model", dense.size(),
         other.size());
  }
}

}  // namespace

Divergence compare_logits(std::span<const float> dense, std::span<const float> other,
                          TokenId token) {
  check_rows(dense, other);
  if (token < 0 || static_cast<size_t>(token) >= dense.size()) {
    fail(ErrorCode::invalid_input, "token id {} is outside of a row of {} logits", token,
         dense.size());
  }
  return compare(dense, Normalizer(dense), other, Normalizer(other), static_cast<size_t>(token));
}

Divergence compare_logits(std::span<const float> dense, std::span<const float> other) {
  check_rows(dense, other);
  const Normalizer normalizer(dense);
  return compare(dense, normalizer, other, Normalizer(other), normalizer.top);
}

double percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  const double rank =
      std::clamp(percent, 0.0, 100.0) / 100.0 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, values.size() - 1);
  if (values[below] == values[above]) return values[below];  // infinities have no difference
  return values[below] + (rank - static_cast<double>(below)) * (values[above] - values[below]);
}

DivergenceSummary summarize(std::span<const Divergence> positions) {
  DivergenceSummary result;
  if (positions.empty()) return result;
  result.positions = static_cast<int64_t>(positions.size());
  const auto count = static_cast<double>(positions.size());
  std::vector<double> kl;
  int64_t same_top = 0;
  for (const Divergence& position : positions) {
    kl.push_back(position.kl);
    result.kl_mean += position.kl / count;
    same_top += position.same_top ? 1 : 0;
    result.nll_dense += position.nll_dense / count;
    result.nll_other += position.nll_other / count;
    result.probability_change_rms +=
        position.probability_change * position.probability_change / count;
  }
  result.same_top = static_cast<double>(same_top) / count;
  result.probability_change_rms = std::sqrt(result.probability_change_rms);
  result.kl_p50 = percentile(kl, 50.0);
  result.kl_p90 = percentile(kl, 90.0);
  result.kl_p95 = percentile(kl, 95.0);
  result.kl_p99 = percentile(kl, 99.0);
  result.kl_max = percentile(kl, 100.0);
  return result;
}

}  // namespace lazyllm::evaluation
