// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lazyllm::jinja {

/// Strings are UTF-8. A byte that belongs to no valid character counts as one
/// character of its own, so that any bytes can be indexed, sliced and printed.
inline constexpr char32_t kInvalidCharacter = 0xFFFFFFFF;

struct Character {
  char32_t code;  ///< kInvalidCharacter for a stray byte
  size_t length;  ///< bytes
};

/// The character that starts at `byte`, which is inside the string.
Character character_at(std::string_view bytes, size_t byte);
/// The first byte of the character that ends before `byte` (> 0).
size_t character_before(std::string_view bytes, size_t byte);
size_t count_characters(std::string_view bytes);
/// The byte where character `index` starts; the size if there are fewer.
size_t byte_of_character(std::string_view bytes, size_t index);

// As Python's str methods see characters.
bool is_space(char32_t code);
bool is_line_break(char32_t code);
bool is_printable(char32_t code);
bool is_alphabetic(char32_t code);
bool is_decimal(char32_t code);
bool is_digit(char32_t code);
bool is_numeric(char32_t code);
bool is_upper(char32_t code);
bool is_lower(char32_t code);
inline bool is_cased(char32_t code) {
  return is_upper(code) || is_lower(code);
}

/// Case mappings of one character, as UTF-8.
/// The final form of the Greek sigma is not chosen by context.
std::string to_upper(char32_t code);
std::string to_lower(char32_t code);
std::string to_title(char32_t code);

}  // namespace lazyllm::jinja
