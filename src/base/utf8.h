// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lazyllm {

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

}  // namespace lazyllm
