// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace lazyllm::engine {
namespace {

TEST(StopStrings, HoldsBackWhatMayBecomeOne) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.push("The E"), "The ");
  EXPECT_EQ(stops.push("N"), "");
  EXPECT_EQ(stops.push("d EN"), "ENd ");
  EXPECT_FALSE(stops.hit());
  EXPECT_EQ(stops.push("D and more"), "");
  EXPECT_TRUE(stops.hit());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, GivesBackWhatWasHeldAtTheEnd) {
  StopStrings stops({"\n\n", ""});
  EXPECT_EQ(stops.push("one\n"), "one");
  EXPECT_EQ(stops.finish(), "\n");
}

TEST(StopStrings, CutsAtTheFirstOfSeveral) {
  StopStrings stops({"later", "soon"});
  EXPECT_EQ(stops.push("as soon or later"), "as ");
}

TEST(StopStrings, AnyCuttingIntoPiecesShowsTheSameText) {
  const std::string text = "abababcabcaabcd abca";
  const std::vector<std::string> words = {"abcd", "caab"};
  const std::string expected = text.substr(0, std::min(text.find(words[0]), text.find(words[1])));
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    StopStrings stops(words);
    std::string shown;
    for (size_t at = 0; at < text.size();) {
      const size_t length = 1 + random() % 5;
      shown += stops.push(std::string_view(text).substr(at, length));
      at += length;
    }
    EXPECT_EQ(shown + stops.finish(), expected);
    EXPECT_TRUE(stops.hit());
  }
}

}  // namespace
}  // namespace lazyllm::engine
