// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "lazyllm/error.h"

namespace lazyllm::engine {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

/// Everything off: the plain softmax.
SamplingOptions plain() {
  SamplingOptions options;
  options.temperature = 1.0f;
  options.top_k = 0;
  options.top_p = 1.0f;
  options.min_p = 0.0f;
  options.seed = 7;
  return options;
}

/// How often each token is drawn in `draws` draws from the same logits.
std::map<int32_t, int> histogram(const SamplingOptions& options, const std::vector<float>& logits,
                                 int draws) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sampler.sample(logits, {})];
  return counts;
}

TEST(Sampler, GreedyTakesTheLowestOfEqualBest) {
  SamplingOptions options;
  options.temperature = 0.0f;
  EXPECT_EQ(Sampler(options).sample(kLogits, {}), 1);
}

TEST(Sampler, FrequenciesFollowTheSoftmaxAtEachTemperature) {
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    SamplingOptions options = plain();
    options.temperature = temperature;
    const auto counts = histogram(options, kLogits, 40000);
    double sum = 0.0;
    for (const float logit : kLogits) sum += std::exp(logit / temperature);
    for (size_t i = 0; i < kLogits.size(); ++i) {
      const double expected = std::exp(kLogits[i] / temperature) / sum;
      const auto found = counts.find(static_cast<int32_t>(i));
      const double share = found == counts.end() ? 0.0 : found->second / 40000.0;
      EXPECT_NEAR(share, expected, 0.012) << "token " << i << " at temperature " << temperature;
    }
  }
}

TEST(Sampler, SameSeedSameChoicesAndAnotherSeedOthers) {
  SamplingOptions options = plain();
  const auto draw = [&] {
    Sampler sampler(options);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 50; ++i) tokens.push_back(sampler.sample(kLogits, {}));
    return tokens;
  };
  const auto first = draw();
  EXPECT_EQ(first, draw());
  options.seed = 8;
  EXPECT_NE(first, draw());
}

TEST(Sampler, TopKTopPAndMinPLeaveTheBest) {
  SamplingOptions options = plain();
  options.top_k = 2;
  EXPECT_EQ(histogram(options, kLogits, 500).size(), 2u);
  options = plain();
  options.top_p = 0.5f;  // two tokens of 0.40 each: both are needed
  const auto counts = histogram(options, kLogits, 500);
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.contains(1) && counts.contains(3));
  options = plain();
  options.min_p = 0.3f;  // e^-1 = 0.37 stays, e^-2 = 0.14 goes
  EXPECT_EQ(histogram(options, kLogits, 2000).size(), 3u);
}

TEST(Sampler, RepetitionPenaltyLooksBackOnlySoFar) {
  SamplingOptions options;
  options.temperature = 0.0f;
  options.repeat_penalty = 2.0f;
  options.repeat_last_n = 2;
  const std::vector<int32_t> recent = {2, 1, 3};
  EXPECT_EQ(Sampler(options).sample(kLogits, recent),
            2);  // 1 and 3 are halved, 2 lies too far back
  options.repeat_last_n = -1;
  EXPECT_EQ(Sampler(options).sample(kLogits, recent), 1);
  options.repeat_last_n = 0;
  EXPECT_EQ(Sampler(options).sample(kLogits, recent), 1);
  const std::vector<float> negative = {-1.0f, -1.5f};
  options.repeat_last_n = -1;
  EXPECT_EQ(Sampler(options).sample(negative, std::vector<int32_t>{0}), 1)
      << "negative logits grow more negative";
}

TEST(Sampler, FrequencyAndPresencePenaltiesAreTakenOffAfterTheRepetitionPenalty) {
  SamplingOptions options;
  options.temperature = 0.0f;
  options.repeat_last_n = -1;
  const std::vector<float> logits = {1.0f, 3.0f, 2.6f};
  const std::vector<int32_t> recent = {1, 1, 0};
  options.frequency_penalty = 0.19f;  // token 1: 3 - 2 * 0.19 = 2.62
  EXPECT_EQ(Sampler(options).sample(logits, recent), 1);
  options.frequency_penalty = 0.21f;  // 2.58
  EXPECT_EQ(Sampler(options).sample(logits, recent), 2);
  options.frequency_penalty = 0.0f;
  options.presence_penalty = 0.39f;  // once, however often: 2.61
  EXPECT_EQ(Sampler(options).sample(logits, recent), 1);
  options.presence_penalty = 0.41f;
  EXPECT_EQ(Sampler(options).sample(logits, recent), 2);
  options.presence_penalty = -0.7f;
  options.repeat_penalty = 1.5f;  // 3 / 1.5 + 0.7 = 2.7, not (3 + 0.7) / 1.5 = 2.47
  EXPECT_EQ(Sampler(options).sample(logits, recent), 1);
}

TEST(Sampler, LogitBiasComesBeforeThePenaltiesAndForbids) {
  const float infinity = std::numeric_limits<float>::infinity();
  SamplingOptions options;
  options.temperature = 0.0f;
  options.logit_bias = {{4, 4.5f}};
  EXPECT_EQ(Sampler(options).sample(kLogits, {}), 4);
  options.repeat_penalty = 2.0f;  // (-1 + 4.5) / 2 < 3; the penalty first would give -2 + 4.5
  EXPECT_EQ(Sampler(options).sample(kLogits, std::vector<int32_t>{4}), 1);
  options.logit_bias = {{1, -infinity}, {3, -infinity}};
  EXPECT_EQ(Sampler(options).sample(kLogits, {}), 2);
  options = plain();
  options.logit_bias = {{1, -infinity}, {3, -infinity}, {99, 5.0f}};
  const auto counts = histogram(options, kLogits, 2000);
  EXPECT_FALSE(counts.contains(1) || counts.contains(3));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  options.logit_bias = {{2, 4.0f}};  // found behind a logit that is no number
  options.temperature = 0.0f;
  EXPECT_EQ(Sampler(options).sample(std::vector<float>{nan, 1.0f, 0.0f}, {}), 2);
}

TEST(Sampler, IgnoresNaNAndRefusesNothingButNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  SamplingOptions options;
  options.temperature = 0.0f;
  EXPECT_EQ(Sampler(options).sample(std::vector<float>{nan, 1.0f, nan}, {}), 1);
  EXPECT_THROW(Sampler(options).sample(std::vector<float>{nan, nan}, {}), Error);
}

TEST(Sampler, RefusesValuesThatMakeNoSense) {
  const auto refused = [](auto change) {
    SamplingOptions options;
    change(options);
    try {
      Sampler sampler(options);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::usage);
    }
  };
  refused([](SamplingOptions& o) { o.temperature = -1.0f; });
  refused([](SamplingOptions& o) { o.temperature = std::numeric_limits<float>::quiet_NaN(); });
  refused([](SamplingOptions& o) { o.top_p = 1.5f; });
  refused([](SamplingOptions& o) { o.min_p = -0.1f; });
  refused([](SamplingOptions& o) { o.top_k = -1; });
  refused([](SamplingOptions& o) { o.repeat_penalty = 0.0f; });
  refused([](SamplingOptions& o) { o.presence_penalty = 1e9f; });
  refused(
      [](SamplingOptions& o) { o.frequency_penalty = std::numeric_limits<float>::quiet_NaN(); });
  refused([](SamplingOptions& o) { o.logit_bias = {{1, std::numeric_limits<float>::infinity()}}; });
}

}  // namespace
}  // namespace lazyllm::engine
