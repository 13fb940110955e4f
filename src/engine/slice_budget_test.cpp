// SPDX-License-Identifier: Apache-2.0
#include "engine/slice_budget.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lazy/step.h"

namespace lazyllm::engine {
namespace {

constexpr size_t kLeast = lazy::StepRun::kLeastTileRows;

TEST(SliceBudget, LessThanASmallTilesTimeIsNone) {
  // 0.1.0 cut this down to no rows, and no rows meant no limit.
  EXPECT_EQ(rows_that_fit(0.0009, 0.001, kLeast), 0u);
  EXPECT_EQ(rows_that_fit(0.0159, 0.001, kLeast), 0u);
  EXPECT_EQ(rows_that_fit(0.0171, 0.001, kLeast), 17u);
  EXPECT_EQ(rows_that_fit(0.0, 0.001, kLeast), 0u);
  EXPECT_EQ(rows_that_fit(-1.0, 0.001, kLeast), 0u);
}

TEST(SliceBudget, OddTimesGiveNoUnlimitedTile) {
  EXPECT_EQ(rows_that_fit(1.0, 0.0, kLeast), kLeast);
  EXPECT_EQ(rows_that_fit(std::nan(""), 0.001, kLeast), 0u);
  EXPECT_EQ(rows_that_fit(1.0, std::nan(""), kLeast), kLeast);
  EXPECT_LE(rows_that_fit(std::numeric_limits<double>::infinity(), 1e-300, kLeast), 1u << 20);
  EXPECT_LE(rows_that_fit(1e300, 1e-300, kLeast), 1u << 20);
}

TEST(SliceBudget, TheFirstTileIsSmallAndNeverRefused) {
  SliceBudget budget(0.0);
  EXPECT_EQ(budget.next_tile_rows(0.0, true), kLeast);  // nothing known yet
  EXPECT_EQ(budget.next_tile_rows(0.0, false), 0u);
  budget.note_step(0.010);
  EXPECT_DOUBLE_EQ(budget.slice_seconds(), 0.015);
  budget.note_tile(100, 0.1);  // a row takes a millisecond, so not even a small tile fits
  EXPECT_EQ(budget.next_tile_rows(0.0, true), kLeast);
  EXPECT_EQ(budget.next_tile_rows(0.0, false), 0u);
}

TEST(SliceBudget, ASliceShrinksWithWhatIsSpent) {
  SliceBudget budget(0.0);
  budget.note_step(0.100);
  budget.note_tile(10, 0.01);
  EXPECT_EQ(budget.next_tile_rows(0.0, true), 150u);
  EXPECT_EQ(budget.next_tile_rows(0.1, false), 50u);
  EXPECT_EQ(budget.next_tile_rows(0.14, false), 0u);
  EXPECT_EQ(budget.next_tile_rows(9.0, false), 0u);
}

TEST(SliceBudget, AFixedSliceAndAveragesThatFollow) {
  SliceBudget fixed(0.5);
  fixed.note_step(10.0);
  EXPECT_DOUBLE_EQ(fixed.slice_seconds(), 0.5);
  SliceBudget budget(0.0);
  budget.note_step(1.0);
  for (int i = 0; i < 50; ++i) budget.note_step(2.0);
  EXPECT_NEAR(budget.slice_seconds(), 3.0, 0.01);
}

}  // namespace
}  // namespace lazyllm::engine
