// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace lazyllm::text {

/// General categories as far as pre-tokenizers tell them apart.
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

// What most users of this header need as well.
using lazyllm::append_utf8;
using lazyllm::decode_utf8;
using lazyllm::DecodedCharacter;
using lazyllm::incomplete_utf8_suffix;
using lazyllm::kReplacementCharacter;
using lazyllm::replace_invalid_utf8;

}  // namespace lazyllm::text
