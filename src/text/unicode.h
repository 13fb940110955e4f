// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::text {

/// General categories as far as pre-tokenizers tell them apart.
/// The order is that of tools/generate_unicode_table.py.
enum class Category : uint8_t {
  upper,        ///< Lu
  lower,        ///< Ll
  title,        ///< Lt
  modifier,     ///< Lm
  letter,       ///< Lo
  mark,         ///< M
  number,       ///< N
  punctuation,  ///< P
  symbol,       ///< S
  separator,    ///< Z
  other,        ///< C, unassigned ones included
};

/// A set of categories, one bit each; kSpace is the property White_Space (\s), which
/// cuts across the categories.
using Classes = uint16_t;
constexpr Classes class_bit(Category category) {
  return static_cast<Classes>(1U << static_cast<unsigned>(category));
}
inline constexpr Classes kUpper = class_bit(Category::upper);
inline constexpr Classes kLower = class_bit(Category::lower);
inline constexpr Classes kTitle = class_bit(Category::title);
inline constexpr Classes kUncased = class_bit(Category::modifier) | class_bit(Category::letter);
inline constexpr Classes kLetter = kUpper | kLower | kTitle | kUncased;    ///< \p{L}
inline constexpr Classes kMark = class_bit(Category::mark);                ///< \p{M}
inline constexpr Classes kNumber = class_bit(Category::number);            ///< \p{N}
inline constexpr Classes kPunctuation = class_bit(Category::punctuation);  ///< \p{P}
inline constexpr Classes kSymbol = class_bit(Category::symbol);            ///< \p{S}
inline constexpr Classes kSpace = 1U << 15;                                ///< \s

/// The classes of a code point: one category bit, and kSpace where it is white space.
Classes classes_of(char32_t code_point);

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// One decoded character. An invalid byte decodes as U+FFFD of length 1, so that
/// the lengths always add up to the bytes of the text.
struct DecodedCharacter {
  char32_t code_point = 0;
  uint32_t length = 0;  ///< bytes, 1 to 4
  bool valid = true;
};

/// Decodes the character at `offset` (< text.size()); strict UTF-8: no overlong
/// forms, no surrogates, nothing above U+10FFFF.
DecodedCharacter decode_utf8(std::string_view text, size_t offset);

void append_utf8(std::string& text, char32_t code_point);

/// How many bytes at the end of `text` begin a character that more bytes could complete.
size_t incomplete_utf8_suffix(std::string_view text);

/// A copy in which every invalid byte became U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

}  // namespace lazyllm::text
