// SPDX-License-Identifier: Apache-2.0
#include "text/regex_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace lazyllm::text {
namespace {

using Behavior = OwnSplit::Behavior;
using testing::ElementsAre;

/// The parts; those that are dropped in brackets.
std::vector<std::string> parts(const OwnSplit& split, std::string_view text) {
  std::vector<Cut> cuts;
  RegexSplitter(split).split(text, cuts);
  std::vector<std::string> result;
  size_t begin = 0;
  for (const Cut& cut : cuts) {
    const std::string part(text.substr(begin, cut.end - begin));
    result.push_back(cut.dropped ? "[" + part + "]" : part);
    begin = cut.end;
  }
  EXPECT_EQ(begin, text.size());
  return result;
}

std::vector<std::string> parts(std::string expression, std::string_view text) {
  return parts(OwnSplit{std::move(expression), Behavior::isolated, false}, text);
}

// As the documentation of the tokenizers library has it, for "the-final--countdown".
TEST(RegexSplitter, Behaviors) {
  const auto cut = [](Behavior behavior, bool invert = false) {
    return parts(OwnSplit{"-", behavior, invert}, "the-final--countdown");
  };
  EXPECT_THAT(cut(Behavior::removed),
              ElementsAre("the", "[-]", "final", "[-]", "[-]", "countdown"));
  EXPECT_THAT(cut(Behavior::isolated), ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(cut(Behavior::merged_with_previous), ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(cut(Behavior::merged_with_next), ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(cut(Behavior::contiguous), ElementsAre("the", "-", "final", "--", "countdown"));
  EXPECT_THAT(cut(Behavior::removed, true),
              ElementsAre("[the]", "-", "[final]", "-", "-", "[countdown]"));
}

TEST(RegexSplitter, OnigurumasMeaning) {
  EXPECT_THAT(parts(R"(\s+$)", "a  \nb "), ElementsAre("a", "  ", "\nb", " "));  // of every line
  EXPECT_THAT(parts(R"(\w+)", "e\u0301t\u00e9_1 x"), ElementsAre("e\u0301t\u00e9_1", " ", "x"));
  EXPECT_THAT(parts(R"(\s)", "a\u180eb\u2003c"), ElementsAre("a\u180eb", "\u2003", "c"));
  EXPECT_THAT(parts(R"([\p{L}&&[^\p{Han}]]+)", "ab\u4e00c"), ElementsAre("ab", "\u4e00", "c"));
  EXPECT_THAT(parts(R"([\p{L}&&[a-c]]+)", "abdc"), ElementsAre("ab", "d", "c"));
  EXPECT_THAT(parts(R"((?i:'s|'t)|[^\r\n\p{L}]?+\p{L}++)", "it'S ok"),
              ElementsAre("it", "'S", " ok"));
  EXPECT_THAT(parts("(a)(b)(c)(d)(e)", "xabcde"), ElementsAre("x", "abcde"));
  EXPECT_THAT(parts("x*", "axxb"), ElementsAre("a", "xx", "b"));
  EXPECT_THAT(parts(R"(\b)", "ab, c"), ElementsAre("ab", ", ", "c"));
  EXPECT_THAT(parts(R"(\p{N}{1,2}+)", "a12345b"), ElementsAre("a", "12345", "b"));
  EXPECT_THAT(parts(R"((?:ab){2}+c)", "ababababc"), ElementsAre("ababababc"));
}

TEST(RegexSplitter, AnyBytes) {
  EXPECT_THAT(parts("b",
                    "a\xff\xfe"
                    "b\xc3"),
              ElementsAre("a\xff\xfe", "b", "\xc3"));
  EXPECT_THAT(parts("b", ""), ElementsAre());
}

TEST(RegexSplitter, WhatCannotBeIsNamed) {
  for (const char* expression : {"(", "[a", "[a[bc]]", R"(\h)", R"([\S])", "(?m:a.b)", "a\\",
                                 "[^a&&[b]]", "[a&&b]", R"(\p{Nonsense})"}) {
    try {
      RegexSplitter(OwnSplit{expression, Behavior::isolated, false});
      ADD_FAILURE() << expression;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_THAT(error.what(), testing::HasSubstr(expression));
    }
  }
}

TEST(RegexSplitter, AnExpressionThatRunsAwayIsStopped) {
  const RegexSplitter splitter(OwnSplit{"(?:a+)+[bd]", Behavior::isolated, false});
  std::vector<Cut> cuts;
  EXPECT_THROW(splitter.split(std::string(60, 'a') + "c", cuts), Error);
}

}  // namespace
}  // namespace lazyllm::text
