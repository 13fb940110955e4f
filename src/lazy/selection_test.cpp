// SPDX-License-Identifier: Apache-2.0
#include "lazy/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "lazy/policy.h"
#include "lazyllm/error.h"

namespace lazyllm::lazy {
namespace {

std::vector<int32_t> run(std::vector<float> scores, int64_t keep, std::vector<int32_t> guarded = {},
                         std::vector<int32_t> waiting = {}, int64_t budget = -1,
                         std::vector<int32_t> flying = {}) {
  std::vector<int32_t> set(scores.size());
  for (size_t i = 0; i < set.size(); ++i) set[i] = static_cast<int32_t>(i);
  const auto in = [](const std::vector<int32_t>& list, int32_t t) {
    return std::find(list.begin(), list.end(), t) != list.end();
  };
  return Selector().select({set, scores, keep, [&](int32_t t) { return in(guarded, t); },
                            [&](int32_t t) {
                              return in(waiting, t)  ? Standing::waiting
                                     : in(flying, t) ? Standing::in_flight
                                                     : Standing::stored;
                            }},
                           budget);
}
using Tokens = std::vector<int32_t>;

TEST(Selection, KeepsTheBestAndAlwaysTheLast) {
  EXPECT_EQ(run({.1f, .5f, .3f, .9f, .0f}, 3), (Tokens{1, 3, 4}));
  EXPECT_EQ(run({.1f, .5f, .3f, .9f, .0f}, 1), (Tokens{4}));
}

TEST(Selection, TiesGoToTheLaterPosition) {
  EXPECT_EQ(run({.2f, .2f, .2f, .2f, .2f}, 3), (Tokens{2, 3, 4}));
}

TEST(Selection, ProtectedTokensCountAndStay) {
  EXPECT_EQ(run({.1f, .0f, .9f, .8f, .7f, .0f}, 4, {0, 1}), (Tokens{0, 1, 2, 5}));
  EXPECT_EQ(run({.1f, .0f, .9f, .8f, .7f, .0f}, 2, {0, 1, 2}), (Tokens{0, 1, 2, 5}));
}

TEST(Selection, TheBudgetRevivesTheBestAndSubstitutesStoredTokens) {
  // 1, 2 and 4 wait; one may be revived: 2, the best. 3 was in flight and cannot substitute.
  EXPECT_EQ(run({.1f, .6f, .9f, .2f, .7f, .3f, .05f, .5f}, 4, {}, {1, 2, 4}, 1, {3}),
            (Tokens{0, 2, 5, 7}));
  EXPECT_EQ(run({.1f, .6f, .9f, .2f, .7f, .3f, .05f, .5f}, 4, {}, {1, 2, 4}, 0, {3}),
            (Tokens{0, 5, 6, 7}));
}

int64_t count(std::vector<float> scores, double mass, std::vector<int32_t> guarded = {}) {
  std::vector<int32_t> set(scores.size());
  for (size_t i = 0; i < set.size(); ++i) set[i] = static_cast<int32_t>(i);
  std::vector<float> scratch;
  return count_for_mass(
      set, scores, mass,
      [&](int32_t t) { return std::find(guarded.begin(), guarded.end(), t) != guarded.end(); },
      scratch);
}

TEST(CountForMass, TakesTheFewestThatHoldTheShare) {
  EXPECT_EQ(count({.1f, .6f, .2f, .1f, 9.f}, 0.6), 2);       // .6 of 1.0, and the last token
  EXPECT_EQ(count({.1f, .6f, .2f, .1f, 9.f}, 0.7), 3);       // .6 + .2
  EXPECT_EQ(count({.1f, .6f, .2f, .1f, 9.f}, 0.5, {1}), 3);  // .2 of the others' .4
  EXPECT_EQ(count({.1f, .6f, .2f, .1f, 9.f}, 1.0), 5);
  EXPECT_EQ(count({.1f, .6f, .2f, .1f, 9.f}, 1e-9), 2);
  EXPECT_EQ(count({0.f, 0.f, 0.f}, 0.9), 1);  // nothing to hold
  EXPECT_EQ(count({5.f}, 0.5), 1);
}

TEST(CountForMass, GrowsWithTheShareAndHoldsIt) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> scores(2 + random() % 60);
    for (float& score : scores) score = static_cast<float>(random() % 1000) * 0.001f;
    double total = 0.0;
    for (size_t i = 0; i + 1 < scores.size(); ++i) total += scores[i];
    std::vector<float> ranked(scores.begin(), scores.end() - 1);
    std::sort(ranked.rbegin(), ranked.rend());
    int64_t before = 0;
    for (double mass = 0.05; mass <= 1.0; mass += 0.05) {
      const int64_t k = count(scores, mass);
      EXPECT_GE(k, before);
      before = k;
      double held = 0.0;
      for (int64_t i = 0; i + 1 < k; ++i) held += ranked[static_cast<size_t>(i)];
      EXPECT_GE(held, mass * total - 1e-6);
      if (k > 1) {
        EXPECT_LT(held - ranked[static_cast<size_t>(k) - 2], mass * total);
      }
    }
  }
}

TEST(Selection, KIsTheCeilingWithoutRoundingNoise) {
  EXPECT_EQ(kept_count(0.1, 30), 3);
  EXPECT_EQ(kept_count(0.7, 10), 7);
  EXPECT_EQ(kept_count(0.3, 10), 3);
  EXPECT_EQ(kept_count(0.34, 3), 2);
  EXPECT_EQ(kept_count(0.001, 5), 1);
  EXPECT_EQ(kept_count(1.0, 5), 5);
}

TEST(Selection, AgreesWithAPlainSort) {
  std::mt19937 generator(1);
  for (int round = 0; round < 300; ++round) {
    const size_t count = 1 + generator() % 60;
    std::vector<float> scores(count);
    for (float& score : scores) score = static_cast<float>(generator() % 7);
    const auto keep = static_cast<int64_t>(1 + generator() % count);
    std::vector<std::pair<float, int32_t>> order;
    for (size_t i = 0; i + 1 < count; ++i) order.emplace_back(scores[i], static_cast<int32_t>(i));
    std::sort(order.rbegin(), order.rend());
    Tokens expected{static_cast<int32_t>(count) - 1};
    for (int64_t i = 0; i + 1 < keep; ++i) expected.push_back(order[static_cast<size_t>(i)].second);
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(run(scores, keep), expected);
  }
}

TEST(Schedule, ParsesAndRefuses) {
  EXPECT_EQ(parse_schedule("9:0.7,19:0.5"), (Schedule{{9, 0.7}, {19, 0.5}}));
  EXPECT_EQ(to_string(parse_schedule("19:0.1")), "19:0.1");
  for (const char* bad : {"", "9", ":0.5", "9:", "9:0", "9:1.5", "9:-1", "9:nan", "9:0.5,",
                          "9:0.5,9:0.5", "19:0.5,9:0.5", "x:0.5", "9:0.5x", "9 :0.5"}) {
    EXPECT_THROW(parse_schedule(bad), Error) << bad;
  }
  const std::vector<bool> full = {true, false, true, true};
  EXPECT_NO_THROW(check_schedule({{1, 0.5}, {3, 0.5}}, full));
  for (const int layer : {0, 2, 4, 5}) EXPECT_THROW(check_schedule({{layer, 0.5}}, full), Error);
  EXPECT_NO_THROW(check_schedule({{3, 0.5}}, full, 7));
  for (const int layer : {4, 6, 7}) EXPECT_THROW(check_schedule({{layer, 0.5}}, full, 7), Error);
}

TEST(Schedule, FractionsSnapToFullAttentionLayers) {
  const std::pair<double, double> paper[] = {{0.3, 0.7}, {0.6, 0.7}, {0.9, 0.7}};
  EXPECT_EQ(scale_schedule(paper, std::vector<bool>(32, true)),
            (Schedule{{9, 0.7}, {19, 0.7}, {28, 0.7}}));
  std::vector<bool> gemma(18, false);
  gemma[5] = gemma[11] = gemma[17] = true;  // Gemma 3 270M: layers 6 and 12 can prune
  const Schedule snapped = scale_schedule(paper, gemma);
  ASSERT_EQ(snapped.size(), 2u);
  EXPECT_EQ(snapped[0].layer, 6);
  EXPECT_EQ(snapped[1].layer, 12);
  EXPECT_DOUBLE_EQ(snapped[1].keep, 0.7 * 0.7);
  EXPECT_TRUE(scale_schedule(paper, std::vector<bool>(8, false)).empty());
}

}  // namespace
}  // namespace lazyllm::lazy
