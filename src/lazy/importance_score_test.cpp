// SPDX-License-Identifier: Apache-2.0
#include "lazy/importance_score.h"

#include <gtest/gtest.h>

#include <random>

#include "lazyllm/error.h"

namespace lazyllm::lazy {
namespace {

ImportanceScore parsed(std::string_view text) {
  ImportanceScore score;
  score.parse(text);
  return score;
}

std::unique_ptr<LayerScores> carried_by(const ImportanceScore& score, std::span<const int> cuts,
                                        int heads) {
  return score.form->carry(score, cuts, heads);
}

using Set = std::vector<int32_t>;
using Scores = std::vector<float>;

TEST(ImportanceScore, ReadsAndWritesEveryForm) {
  for (const char* text : {"last", "window:8", "value", "value:16", "accumulate:3",
                           "accumulate:4@16", "accumulate:2@2", "heads:3.1=0.5,4.2=1",
                           "heads:1.1=2@8", "ahead", "ahead:6", "peak:3", "peak:8@32"}) {
    EXPECT_EQ(parsed(text).to_string(), text);
  }
  EXPECT_EQ(parsed("window:1").to_string(), "last");
  EXPECT_EQ(parsed("heads:4.2,3.1=0.5").heads,
            (std::vector<HeadWeight>{{3, 1, 0.5f}, {4, 2, 1.0f}}));
  EXPECT_EQ(parsed("accumulate:4@16").window, 16);
  EXPECT_EQ(parsed("accumulate:4@16").form->name(), "accumulate");
}

TEST(ImportanceScore, ThePoolIsNotPartOfTheText) {
  ImportanceScore score;
  score.pool = 7;
  score.parse("window:4");
  EXPECT_EQ(score.pool, 7);
}

TEST(ImportanceScore, RefusesWhatCannotBeMeant) {
  for (const char* text : {"",
                           "first",
                           "window",
                           "window:",
                           "window:0",
                           "window:5000",
                           "window:4x",
                           "heads:",
                           "heads:3",
                           "heads:3.0",
                           "heads:0.1",
                           "heads:3.1=",
                           "heads:3.1=0",
                           "heads:3.1=-1",
                           "heads:3.1=nan",
                           "heads:3.1=inf",
                           "heads:3.1,3.1",
                           "heads:3.1,",
                           "heads:=.3",
                           "value:0",
                           "value:",
                           "accumulate:0",
                           "max:3",
                           "accumulate:",
                           "accumulate:2@",
                           "accumulate:2@0",
                           "last@4",
                           "window:4@4",
                           "ahead:",
                           "ahead:0",
                           "ahead@4",
                           "ahead:4@4",
                           "peak",
                           "peak:0",
                           "peak:2@0"}) {
    EXPECT_THROW(parsed(text), Error) << text;
  }
}

TEST(ImportanceScore, PoolsOverExistingNeighbours) {
  std::vector<float> scores = {3, 0, 0, 6, 0};
  std::vector<double> scratch;
  pool_scores(scores, 3, scratch);
  const std::vector<float> expected = {1.5f, 1, 2, 2, 3};
  for (size_t i = 0; i < scores.size(); ++i) EXPECT_FLOAT_EQ(scores[i], expected[i]);
}

TEST(ImportanceScore, APeakSpreadsMostlyOverWhatFollows) {
  PoolScratch scratch;
  ImportanceScore peak = parsed("peak:2");
  peak.pool = 9;  // seven behind it, one before
  std::vector<float> scores(12, 0.1f);
  scores[3] = 1.0f;
  pool_scores(scores, peak, scratch);
  EXPECT_FLOAT_EQ(scores[1], 0.1f);
  EXPECT_FLOAT_EQ(scores[2], 0.75f);
  EXPECT_FLOAT_EQ(scores[3], 1.0f);
  for (size_t d = 1; d <= 7; ++d) {
    EXPECT_FLOAT_EQ(scores[3 + d], 1.0f - 0.25f * static_cast<float>(d) / 7.0f);
  }
  EXPECT_FLOAT_EQ(scores[11], 0.1f);
  for (const int reach : {1, 3, 4095}) {  // more than there is on either side
    std::vector<float> one = {0.5f};
    spread_scores(one, reach, scratch.scores);
    EXPECT_EQ(one[0], 0.5f);
    spread_scores({}, reach, scratch.scores);
  }
  std::vector<float> two = {0.0f, 1.0f};
  spread_scores(two, 4095, scratch.scores);
  EXPECT_GT(two[0], 0.99f);
}

TEST(LayerScores, HeadsSumUpOverTheLayersOfAStep) {
  const std::vector<int> cuts = {2, 4};
  const auto carried = carried_by(parsed("heads:1.2=0.5,2.1=3,4.4"), cuts, 4);
  EXPECT_TRUE(carried->reads(1));
  EXPECT_TRUE(carried->reads(2));
  EXPECT_FALSE(carried->reads(3));
  EXPECT_TRUE(carried->reads(4));
  EXPECT_EQ(Scores(carried->head_weights(1).begin(), carried->head_weights(1).end()),
            (Scores{0, 0.5f, 0, 0}));
  EXPECT_EQ(Scores(carried->head_weights(3).begin(), carried->head_weights(3).end()),
            (Scores{0, 0, 0, 0}));
  for (int step = 0; step < 3; ++step) {  // nothing is left of an earlier step
    Scores first = {1, 2, 3, 4}, second = {10, 20, 30, 40}, fourth = {100, 200};
    carried->combine(1, Set{0, 1, 2, 5}, first);
    EXPECT_EQ(first, (Scores{1, 2, 3, 4}));
    carried->combine(2, Set{0, 1, 2, 5}, second);
    EXPECT_EQ(second, (Scores{11, 22, 33, 44}));
    carried->combine(4, Set{1, 5}, fourth);
    EXPECT_EQ(fourth, (Scores{122, 244}));
  }
}

TEST(LayerScores, HeadsTheModelLacksOrThatComeTooLateAreRefused) {
  const std::vector<int> cuts = {2, 4};
  EXPECT_THROW(carried_by(parsed("heads:1.5"), cuts, 4), Error);
  EXPECT_THROW(carried_by(parsed("heads:3.1"), cuts, 4), Error);
  EXPECT_NO_THROW(carried_by(parsed("heads:1.1,9.9"), cuts, 9));
}

/// Random steps against a table of all layers' scores.
TEST(LayerScores, AccumulatedEqualThePlainComputation) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 60; ++round) {
    const int depth = 1 + static_cast<int>(random() % 6);
    std::vector<int> cuts;
    for (int layer = 1; layer < 12; ++layer) {
      if (random() % 4 == 0) cuts.push_back(layer);
    }
    if (cuts.empty()) cuts.push_back(5);
    const bool peak = round % 2 == 1;
    const std::string text = (peak ? "peak:" : "accumulate:") + std::to_string(depth);
    const auto carried = carried_by(parsed(text), cuts, 1);
    for (int step = 0; step < 3; ++step) {
      Set set = {0, 1, 2, 3, 4, 5, 6, 7};
      for (int more = 0; more < step; ++more) set.push_back(8 + more);
      std::vector<Scores> table(13);
      for (int layer = 1; layer <= cuts.back(); ++layer) {
        const bool cut = std::find(cuts.begin(), cuts.end(), layer) != cuts.end();
        bool wanted = false;
        for (const int end : cuts) wanted = wanted || (layer <= end && layer > end - depth);
        ASSERT_EQ(carried->reads(layer), wanted);
        if (!wanted) continue;
        Scores own;
        for (size_t i = 0; i < set.size(); ++i) own.push_back(static_cast<float>(random() % 64));
        table[static_cast<size_t>(layer)].assign(20, 0.0f);
        for (size_t i = 0; i < set.size(); ++i) {
          table[static_cast<size_t>(layer)][static_cast<size_t>(set[i])] = own[i];
        }
        carried->combine(layer, set, own);
        for (size_t i = 0; cut && i < set.size(); ++i) {
          float sum = 0.0f, highest = 0.0f;
          int taken = 0;
          for (int l = std::max(1, layer - depth + 1); l <= layer; ++l) {
            const float score = table[static_cast<size_t>(l)][static_cast<size_t>(set[i])];
            sum += score;
            highest = std::max(highest, score);
            ++taken;
          }
          ASSERT_FLOAT_EQ(own[i], peak ? highest : sum / static_cast<float>(taken));
        }
        if (cut && set.size() > 3) set.erase(set.begin() + static_cast<int64_t>(random() % 3));
      }
    }
  }
}

}  // namespace
}  // namespace lazyllm::lazy
