// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/kept_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "text/terminal_text.h"

namespace lazyllm {
namespace {

using text::next_terminal_character;
using text::TerminalCharacter;

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string without_colors(const std::string& text) {
  static const std::regex sequence("\033\\[[0-9;]*m");
  return std::regex_replace(text, sequence, "");
}

TokenReport report_of(std::vector<int> depths, std::vector<TokenReport::Revival> revivals = {}) {
  TokenReport report;
  report.depths = std::move(depths);
  report.revivals = std::move(revivals);
  return report;
}

TEST(KeptView, MarksStandUnderTheTextWithoutColour) {
  const std::vector<std::string> pieces = {"The", " cat", " sat", ".\n", "It", " slept"};
  const std::string view =
      kept_view(pieces, report_of({4, 2, 1, 4, 1, 1}, {{3, 4, 4}}), 4, {false, 80});
  EXPECT_EQ(view,
            "The cat sat.\n"
            "###....    #\n"
            "It slept\n"
            "^^\n"
            "[kept] 6 prompt tokens, shaded by the layers they passed\n"
            "  [#] all 4 layers                     2 tokens  33.3 %\n"
            "  [.] left after layer 2               1 tokens  16.7 %\n"
            "  [ ] left after layer 1               3 tokens  50.0 %\n"
            "  [^] revived by the answer            1 tokens\n");
}

TEST(KeptView, ColouredTextIsTheTextAndEveryRunIsShaded) {
  const std::vector<std::string> pieces = {"<s>", "one", " two", "\n", "three"};
  const std::string view = kept_view(pieces, report_of({3, 3, 0, 0, 0}, {{1, 2, 3}}), 3, {});
  EXPECT_THAT(without_colors(view), StartsWith("<s>one two\nthree\n[kept] 5 prompt tokens"));
  // One run for the two deep tokens, an underlined one, none across the line's end.
  EXPECT_THAT(view, StartsWith("\033[0;38;5;16;48;5;43m<s>one\033[0;38;5;244;4m two\033[0m\n"
                               "\033[0;38;5;244mthree\033[0m\n"));
  EXPECT_THAT(view, HasSubstr("left out before the model"));
}

TEST(KeptView, ACharacterOfSeveralTokensTakesTheDeepest) {
  // U+20AC in three tokens, of which the last was carried to the end.
  const std::vector<std::string> pieces = {"\xe2", "\x82", "\xac", "!"};
  const std::string view = kept_view(pieces, report_of({1, 1, 2, 1}), 2, {false, 80});
  EXPECT_THAT(view, StartsWith("\xe2\x82\xac!\n#\n"));
}

TEST(KeptView, LongLinesBreakWithTheirMarks) {
  const std::vector<std::string> pieces = {"abcd", "\xe4\xb8\xad\xe6\x96\x87", "ef"};
  const std::string view = kept_view(pieces, report_of({2, 1, 2}), 2, {false, 5});
  // The first ideograph is two columns wide and does not fit behind abcd.
  EXPECT_THAT(view, StartsWith("abcd\n####\n\xe4\xb8\xad\xe6\x96\x87"
                               "e\n    #\nf\n#\n"));
}

TEST(KeptView, LinesBreakBetweenWords) {
  const std::vector<std::string> pieces = {"one", " two", " three"};
  const std::string view = kept_view(pieces, report_of({2, 1, 2}), 2, {false, 9});
  EXPECT_THAT(view, StartsWith("one two \n###    #\nthree\n#####\n"));
}

TEST(KeptView, ADensePromptHasOneShade) {
  const std::vector<std::string> pieces = {"a", "b"};
  const std::string view = kept_view(pieces, report_of({2, 2}), 2, {false, 80});
  EXPECT_THAT(view, StartsWith("ab\n##\n"));
  EXPECT_THAT(view, HasSubstr("all 2 layers                     2 tokens 100.0 %"));
  EXPECT_THAT(view, Not(HasSubstr("revived")));
}

TEST(KeptView, NothingReadGivesNothing) {
  EXPECT_EQ(kept_view({}, {}, 4, {}), "");
}

TEST(TerminalText, WhatSteersATerminalIsReplaced) {
  const auto shown = [](std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size();) {
      const TerminalCharacter character = next_terminal_character(text, i);
      out += character.text;
      i += character.source_bytes;
    }
    return out;
  };
  EXPECT_EQ(shown("a\033[31mb"), "a\u241b[31mb");
  EXPECT_EQ(shown("a\tb\r\nc\rd"), "a    b\nc\u240dd");
  EXPECT_EQ(shown("\x7f\xc2\x9b\xe2\x80\xae"), "\u2421\ufffd\ufffd");
  EXPECT_EQ(shown("\xff"
                  "a\xe2\x82"),
            "\ufffd"
            "a\ufffd\ufffd");
  EXPECT_EQ(shown("caf\u00e9 \U0001f9a5"), "caf\u00e9 \U0001f9a5");
}

TEST(TerminalText, ColumnsOfWideAndCombiningCharacters) {
  EXPECT_EQ(next_terminal_character("\u4e2d", 0).columns, 2);
  EXPECT_EQ(next_terminal_character("\u0301", 0).columns, 0);
  EXPECT_EQ(next_terminal_character("\u00e9", 0).columns, 1);
  EXPECT_EQ(next_terminal_character("\U0001f9a5", 0).source_bytes, 4u);
}

}  // namespace
}  // namespace lazyllm
