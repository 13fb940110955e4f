// SPDX-License-Identifier: Apache-2.0
#include "server/reasoning_splitter.h"

#include <gtest/gtest.h>

namespace lazyllm::server {
namespace {

using Mode = ReasoningSplitter::Mode;

std::string split(Mode mode, const std::string& answer, size_t size) {
  ReasoningSplitter splitter(mode);
  std::string reasoning, text;
  const auto take = [&](const ReasoningSplitter::Output& output) {
    reasoning += output.reasoning;
    text += output.text;
  };
  for (size_t i = 0; i < answer.size(); i += size) take(splitter.push(answer.substr(i, size)));
  take(splitter.finish());
  return reasoning + "|" + text;
}

/// The same whatever the pieces are.
std::string split(Mode mode, const std::string& answer) {
  const std::string whole = split(mode, answer, answer.size() + 1);
  for (size_t size = 1; size <= answer.size(); ++size) {
    EXPECT_EQ(split(mode, answer, size), whole) << "in pieces of " << size;
  }
  return whole;
}

TEST(ReasoningSplitter, ThoughtsStandBeforeTheText) {
  EXPECT_EQ(split(Mode::automatic, "<think>\nFirst.\n\nThen </thin\n</think>\n\nIt is.\n"),
            "First.\n\nThen </thin|It is.\n");
  EXPECT_EQ(split(Mode::automatic, "\n<think>\n\n</think>\n\nIt is."), "|It is.");
  EXPECT_EQ(split(Mode::open, "First.</think>It is."), "First.|It is.");
}

TEST(ReasoningSplitter, TextStaysText) {
  for (const std::string answer : {"It is.", " <thinking> so", "<thin", "a <think>b</think>"}) {
    EXPECT_EQ(split(Mode::automatic, answer), "|" + answer);
  }
  EXPECT_EQ(split(Mode::off, "<think>a</think>b"), "|<think>a</think>b");
}

TEST(ReasoningSplitter, WhatBreaksOffIsStillThought) {
  EXPECT_EQ(split(Mode::automatic, "<think>\nFirst, </th"), "First, </th|");
  EXPECT_EQ(split(Mode::open, "First"), "First|");
}

TEST(ReasoningSplitter, PromptsMayEndInThought) {
  EXPECT_TRUE(ends_in_thought("<|im_start|>assistant\n<think>\n"));
  EXPECT_FALSE(ends_in_thought("<think>\n\n</think>\n\n"));
}

}  // namespace
}  // namespace lazyllm::server
