// SPDX-License-Identifier: Apache-2.0
// Closed forms and properties; tests/python/test_eval_text.py holds the same functions against
// NumPy on real logits.
#include "lazyllm/evaluation/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "lazyllm/error.h"

namespace lazyllm::evaluation {
namespace {

std::vector<float> logs(const std::vector<double>& probabilities, float shift = 0.0f) {
  std::vector<float> result;
  for (const double p : probabilities) result.push_back(static_cast<float>(std::log(p)) + shift);
  return result;
}

TEST(Divergence, AClosedForm) {
  const std::vector<double> p = {0.5, 0.25, 0.25}, q = {0.25, 0.25, 0.5};
  // Logits are probabilities' logarithms up to a constant, however large.
  const Divergence d = compare_logits(logs(p, 1000.0f), logs(q, -3.0f), 2);
  EXPECT_NEAR(d.kl, 0.5 * std::log(2.0) + 0.25 * std::log(0.5), 1e-4);
  EXPECT_FALSE(d.same_top);
  EXPECT_NEAR(d.nll_dense, std::log(4.0), 1e-4);
  EXPECT_NEAR(d.nll_other, std::log(2.0), 1e-4);
  EXPECT_NEAR(d.probability_change, 0.25, 1e-4);
  EXPECT_NEAR(compare_logits(logs(p), logs(q)).probability_change, -0.25, 1e-6)
      << "without a token, that of the dense run's top";
}

TEST(Divergence, EqualRowsAndShiftsDoNotDiffer) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> row(50000);
  for (float& logit : row) logit = normal(random);
  const Divergence d = compare_logits(row, row, 7);
  EXPECT_EQ(d.kl, 0.0);
  EXPECT_TRUE(d.same_top);
  EXPECT_EQ(d.probability_change, 0.0);
  EXPECT_EQ(d.nll_dense, d.nll_other);
}

TEST(Divergence, IsWhatLongDoubleSumsGive) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<float> a(2000), b(2000);
    for (size_t i = 0; i < a.size(); ++i) {
      a[i] = normal(random);
      b[i] = a[i] + 0.3f * normal(random);
    }
    long double sum_a = 0, sum_b = 0, kl = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      sum_a += std::exp(static_cast<long double>(a[i]));
      sum_b += std::exp(static_cast<long double>(b[i]));
    }
    for (size_t i = 0; i < a.size(); ++i) {
      const long double p = std::exp(static_cast<long double>(a[i])) / sum_a;
      const long double q = std::exp(static_cast<long double>(b[i])) / sum_b;
      kl += p * std::log(p / q);
    }
    EXPECT_NEAR(compare_logits(a, b, 0).kl, static_cast<double>(kl), 1e-12);
  }
}

TEST(Divergence, ForbiddenTokens) {
  const float never = -std::numeric_limits<float>::infinity();
  const std::vector<float> one = {0.0f, never, never}, both = {0.0f, 0.0f, never};
  EXPECT_NEAR(compare_logits(one, both, 0).kl, std::log(2.0), 1e-12);
  EXPECT_TRUE(std::isinf(compare_logits(both, one, 0).kl)) << "dense says what the other cannot";
}

TEST(Divergence, RefusesWhatIsNoDistribution) {
  const std::vector<float> row = {1.0f, 2.0f}, longer(3), none;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> broken = {1.0f, nan}, dead(2, -std::numeric_limits<float>::infinity());
  EXPECT_THROW(compare_logits(row, longer, 0), Error);
  EXPECT_THROW(compare_logits(none, none), Error);
  EXPECT_THROW(compare_logits(row, row, 2), Error);
  EXPECT_THROW(compare_logits(row, row, -1), Error);
  EXPECT_THROW(compare_logits(row, broken, 0), Error);
  EXPECT_THROW(compare_logits(dead, row, 0), Error);
}

TEST(Divergence, PercentilesAreNumpys) {
  // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 50, 90, 95, 99, 100])
  const std::vector<double> values = {3, 1, 4, 1, 5, 9, 2, 6};
  EXPECT_DOUBLE_EQ(percentile(values, 0), 1.0);
  EXPECT_DOUBLE_EQ(percentile(values, 50), 3.5);
  EXPECT_DOUBLE_EQ(percentile(values, 90), 6.9);
  EXPECT_DOUBLE_EQ(percentile(values, 95), 7.95);
  EXPECT_DOUBLE_EQ(percentile(values, 99), 8.79);
  EXPECT_DOUBLE_EQ(percentile(values, 100), 9.0);
  EXPECT_DOUBLE_EQ(percentile({2.5}, 95), 2.5);
  EXPECT_DOUBLE_EQ(percentile({}, 50), 0.0);
}

TEST(Divergence, Summary) {
  std::vector<Divergence> positions(4);
  for (size_t i = 0; i < 4; ++i) {
    positions[i].kl = static_cast<double>(i);
    positions[i].same_top = i != 0;
    positions[i].nll_dense = 2.0;
    positions[i].nll_other = 2.0 + static_cast<double>(i);
    positions[i].probability_change = i % 2 == 0 ? 0.5 : -0.5;
  }
  const DivergenceSummary s = summarize(positions);
  EXPECT_EQ(s.positions, 4);
  EXPECT_DOUBLE_EQ(s.kl_mean, 1.5);
  EXPECT_DOUBLE_EQ(s.kl_p50, 1.5);
  EXPECT_DOUBLE_EQ(s.kl_max, 3.0);
  EXPECT_DOUBLE_EQ(s.same_top, 0.75);
  EXPECT_DOUBLE_EQ(s.nll_other, 3.5);
  EXPECT_DOUBLE_EQ(s.probability_change_rms, 0.5);
  EXPECT_EQ(summarize({}).positions, 0);
}

}  // namespace
}  // namespace lazyllm::evaluation
