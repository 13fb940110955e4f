// SPDX-License-Identifier: Apache-2.0
#include "distributed/layer_split.h"

#include <gtest/gtest.h>

#include "lazyllm/error.h"

namespace lazyllm::distributed {
namespace {

using Ranks = std::vector<int>;

TEST(LayerSplit, RanksHaveAboutTheSameWork) {
  const std::vector<uint64_t> layers(7, 10), plenty(3, 1000);
  const Ranks ranks = split_layers(layers, 0, plenty);
  EXPECT_LE(std::count(ranks.begin(), ranks.end(), 0), 3);
  EXPECT_LE(std::count(ranks.begin(), ranks.end(), 1), 3);
  EXPECT_LE(std::count(ranks.begin(), ranks.end(), 2), 3);
  EXPECT_TRUE(std::is_sorted(ranks.begin(), ranks.end()));
}

TEST(LayerSplit, ASmallMachineGetsFewerLayers) {
  const std::vector<uint64_t> layers(6, 10), available{1000, 20};
  EXPECT_EQ(split_layers(layers, 0, available), (Ranks{0, 0, 0, 0, 1, 1}));
}

TEST(LayerSplit, TheHeadCountsInRankZerosMemory) {
  const std::vector<uint64_t> layers(6, 10), available{40, 1000};
  EXPECT_EQ(split_layers(layers, 0, available), (Ranks{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(split_layers(layers, 25, available), (Ranks{0, 1, 1, 1, 1, 1}));
}

TEST(LayerSplit, WhereNothingFitsAsLittleAsCanBeIsTooMuch) {
  const std::vector<uint64_t> layers(4, 10), available{5, 25};
  EXPECT_EQ(split_layers(layers, 0, available), (Ranks{0, 1, 1, 1}));
}

TEST(LayerSplit, EveryRankHasALayer) {
  const std::vector<uint64_t> layers{100, 1, 1}, plenty(3, 1000);
  EXPECT_EQ(split_layers(layers, 0, plenty), (Ranks{0, 1, 2}));
  EXPECT_THROW(split_layers(layers, 0, std::vector<uint64_t>(4, 1000)), Error);
}

}  // namespace
}  // namespace lazyllm::distributed
