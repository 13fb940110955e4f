// SPDX-License-Identifier: Apache-2.0
#include "grammar/string_decoder.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "base/error.h"
#include "text/unicode.h"

namespace lazyllm::grammar {
namespace {

using Outcome = StringDecoder::Outcome;

/// The characters inside a string, if they are well formed and complete.
template <typename Wanted>
std::optional<std::u32string> decode(const std::string& bytes, const Wanted& wanted) {
  StringDecoder decoder;
  std::u32string characters;
  for (const char byte : bytes) {
    switch (decoder.push(static_cast<uint8_t>(byte), wanted)) {
      case Outcome::character:
        characters += decoder.bits;
        break;
      case Outcome::more:
        break;
      default:
        return std::nullopt;
    }
  }
  if (decoder.phase != StringDecoder::Phase::plain) return std::nullopt;
  return characters;
}

std::optional<std::u32string> decode(const std::string& bytes) {
  return decode(bytes, [](char32_t, char32_t) { return true; });
}

std::string escaped(char32_t c) {
  if (c < 0x10000) return fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  const uint32_t rest = c - 0x10000;
  return fmt::format("\\u{:04X}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
}

TEST(StringDecoder, ReadsEveryCharacterPlainAndEscaped) {
  for (char32_t c = 0; c <= kLastCharacter; c += c < 0x3000 ? 1 : 61) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::u32string expected(1, c);
    const auto only = [&](char32_t first, char32_t last) { return first <= c && c <= last; };
    EXPECT_EQ(decode(escaped(c), only), expected) << static_cast<uint32_t>(c);
    std::string plain;
    text::append_utf8(plain, c);
    if (c < 0x20 || c == '"' || c == '\\') {
      EXPECT_FALSE(decode(plain)) << static_cast<uint32_t>(c);
    } else {
      EXPECT_EQ(decode(plain, only), expected) << static_cast<uint32_t>(c);
    }
  }
  EXPECT_EQ(decode("\\\"\\\\\\/\\b\\f\\n\\r\\t"), U"\"\\/\b\f\n\r\t");
}

TEST(StringDecoder, RefusesWhatIsNotUtf8OrNoEscape) {
  for (const char* bad : {"\x80",     "\xC0\x80",   "\xC1\xBF",       "\xE0\x80",
                          "\xE0\x9F", "\xED\xA0",   "\xF0\x80",       "\xF0\x8F",
                          "\xF4\x90", "\xF5",       "\xFF",           "\xC3(",
                          "\\x",      "\\a",        "\\u12G",         "\\uDC00",
                          "\\ud800x", "\\ud800\\n", "\\ud800\\u0041", "\\ud800\\uD800",
                          "\n",       "\x1f"}) {
    EXPECT_FALSE(decode(bad)) << bad;
  }
}

TEST(StringDecoder, RefusesBytesThatLeadToNothingWanted) {
  const auto small = [](char32_t first, char32_t last) { return first <= 'z' && last >= 'a'; };
  for (const char* bad : {"\xC3", "A", "\\n", "\\u1", "\\u01", "\\u004", "\\ud"}) {
    StringDecoder decoder;
    Outcome outcome = Outcome::more;
    for (const char* c = bad; *c != 0; ++c) {
      ASSERT_NE(outcome, Outcome::refused) << bad;
      outcome = decoder.push(static_cast<uint8_t>(*c), small);
    }
    EXPECT_EQ(outcome, Outcome::refused) << bad;
  }
  EXPECT_EQ(decode("\\u0061", small), U"a");
}

}  // namespace
}  // namespace lazyllm::grammar
