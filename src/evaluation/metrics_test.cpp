// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/research/metrics.h"

#include <gtest/gtest.h>

namespace lazyllm {
namespace {

// LongBench's own are held against the original Python in tests/python/test_metrics.py.

TEST(Metrics, ContainsWhateverTheCase) {
  EXPECT_EQ(metric_score("contains", "It is called kittiwake.", "Kittiwake", {}), 1.0);
  EXPECT_EQ(metric_score("contains", "It is called Kitti.", "Kittiwake", {}), 0.0);
}

TEST(Metrics, ChoiceTakesTheFirstLetterThatStandsAlone) {
  for (const char* said : {"B", "(B)", "B.", "The correct answer is (B), not (C).", "**B**",
                           "Answer: B", "A man asks, and I think the answer is B", "B is right"}) {
    EXPECT_EQ(metric_score("choice", said, "B", {}), 1.0) << said;
    EXPECT_EQ(metric_score("choice", said, "C", {}), 0.0) << said;
  }
  for (const char* said : {"", "b", "Both", "AB", "nothing of these"}) {
    EXPECT_EQ(metric_score("choice", said, "B", {}), 0.0) << said;
  }
  EXPECT_EQ(metric_score("choice", "A", "A", {}), 1.0);
}

}  // namespace
}  // namespace lazyllm
