// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <gtest/gtest.h>

namespace lazyllm::text {
namespace {

TEST(Unicode, ClassesOfCharacters) {
  EXPECT_EQ(classes_of('A'), kUpper);
  EXPECT_EQ(classes_of('z'), kLower);
  EXPECT_EQ(classes_of('7'), kNumber);
  EXPECT_EQ(classes_of('!'), kPunctuation);
  EXPECT_EQ(classes_of('$'), kSymbol);
  EXPECT_TRUE(classes_of('\n') & kSpace);
  EXPECT_TRUE(classes_of(0x3000) & kSpace);
  EXPECT_FALSE(classes_of(0x1C) & kSpace);     // Python's isspace() is wider than \s
  EXPECT_TRUE(classes_of(0x4E2D) & kUncased);  // 中
  EXPECT_TRUE(classes_of(0x0301) & kMark);
  EXPECT_TRUE(classes_of(0x10400) & kUpper);
  EXPECT_EQ(classes_of(0x110000), class_bit(Category::other));
}

TEST(Unicode, DecodesStrictly) {
  const auto length = [](std::string_view text) {
    const DecodedCharacter c = decode_utf8(text, 0);
    return c.valid ? static_cast<int>(c.length) : -static_cast<int>(c.length);
  };
  EXPECT_EQ(length("a"), 1);
  EXPECT_EQ(length("\xC3\xA9"), 2);
  EXPECT_EQ(length("\xF0\x9F\x9A\x80"), 4);
  EXPECT_EQ(length("\xC0\x80"), -1);          // overlong
  EXPECT_EQ(length("\xED\xA0\x80"), -1);      // surrogate
  EXPECT_EQ(length("\xF4\x90\x80\x80"), -1);  // above U+10FFFF
  EXPECT_EQ(length("\xE2\x82"), -1);          // cut off
  EXPECT_EQ(length("\x80"), -1);
}

TEST(Unicode, EncodesWhatItDecodes) {
  for (char32_t c = 0; c < 0x110000; c += (c < 0x1000 ? 1 : 97)) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const DecodedCharacter decoded = decode_utf8(text, 0);
    ASSERT_TRUE(decoded.valid);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.length, text.size());
    for (size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_EQ(incomplete_utf8_suffix(text.substr(0, cut)), cut);
    }
    ASSERT_EQ(incomplete_utf8_suffix(text), 0U);
  }
}

TEST(Unicode, SuffixesThatNothingCompletes) {
  EXPECT_EQ(incomplete_utf8_suffix("\xC0"), 0U);
  EXPECT_EQ(incomplete_utf8_suffix("\xE0\x80"), 0U);
  EXPECT_EQ(incomplete_utf8_suffix("\xFF"), 0U);
  EXPECT_EQ(incomplete_utf8_suffix("\x80\x80\x80"), 0U);
  EXPECT_EQ(incomplete_utf8_suffix(""), 0U);
}

TEST(Unicode, ReplacesInvalidBytes) {
  EXPECT_EQ(replace_invalid_utf8("a\xFF\xC3\xA9\xC3"), "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD");
}

}  // namespace
}  // namespace lazyllm::text
