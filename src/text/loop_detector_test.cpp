// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/loop_detector.h"

#include <gtest/gtest.h>

namespace lazyllm {
namespace {

/// Bytes until the detector says so, fed in pieces of 5; 0: never.
size_t found_after(const std::string& text) {
  LoopDetector detector;
  for (size_t begin = 0; begin < text.size(); begin += 5) {
    if (detector.add(std::string_view(text).substr(begin, 5))) return begin + 5;
  }
  return 0;
}

std::string times(const std::string& piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(LoopDetector, NoticesRepeatedSentences) {
  const std::string sentence = "The license is a license that grants the right to use the work. ";
  const size_t after = found_after("It says: " + times(sentence, 20));
  EXPECT_GE(after, 4 * sentence.size());
  EXPECT_LE(after, 6 * sentence.size());
  EXPECT_GT(found_after(times("no ", 200)), 0U);
  EXPECT_GT(found_after(times("Er war müde. ", 60)), 0U);
  EXPECT_GT(found_after(times(std::string(300, 'x') + " and some more words\n", 12)), 0U);
}

TEST(LoopDetector, LeavesOrdinaryTextAlone) {
  std::string counted;
  for (int i = 0; i < 400; ++i) counted += "Line " + std::to_string(i) + " is not the one before. ";
  EXPECT_EQ(found_after(counted), 0U);
  EXPECT_EQ(found_after(std::string(2000, '-') + times("|---", 300)), 0U);
  EXPECT_EQ(found_after(times("The chorus comes three times, as choruses do in many songs. ", 3)),
            0U);
}

}  // namespace
}  // namespace lazyllm
