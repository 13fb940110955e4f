// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <algorithm>

namespace lazyllm {
namespace {

bool is_continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0U) == 0x80U;
}

}  // namespace

DecodedCharacter decode_utf8(std::string_view text, size_t offset) {
  const auto lead = static_cast<uint8_t>(text[offset]);
  if (lead < 0x80) return {lead, 1, true};
  uint32_t length = 0;
  char32_t code_point = 0;
  char32_t smallest = 0;
  if ((lead & 0xE0U) == 0xC0U) {
    length = 2, code_point = lead & 0x1FU, smallest = 0x80;
  } else if ((lead & 0xF0U) == 0xE0U) {
    length = 3, code_point = lead & 0x0FU, smallest = 0x800;
  } else if ((lead & 0xF8U) == 0xF0U) {
    length = 4, code_point = lead & 0x07U, smallest = 0x10000;
  }
  const DecodedCharacter invalid{kReplacementCharacter, 1, false};
  if (length == 0 || text.size() - offset < length) return invalid;
  for (uint32_t i = 1; i < length; ++i) {
    if (!is_continuation(text[offset + i])) return invalid;
    code_point = (code_point << 6) | (static_cast<uint8_t>(text[offset + i]) & 0x3FU);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < smallest || surrogate || code_point > 0x10FFFF) return invalid;
  return {code_point, length, true};
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto c = static_cast<uint32_t>(code_point);
  const auto put = [&text](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12));
    put(0x80U | ((c >> 6) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18));
    put(0x80U | ((c >> 12) & 0x3FU));
    put(0x80U | ((c >> 6) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

size_t incomplete_utf8_suffix(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(3, text.size()); ++length) {
    const char lead = text[text.size() - length];
    if (is_continuation(lead)) continue;
    // Completable if some continuation makes it valid: the extremes decide (a first
    // continuation byte is restricted after E0, ED, F0 and F4, later ones never are).
    for (const char filler : {'\x80', '\xBF'}) {
      std::string candidate(text.substr(text.size() - length));
      candidate.resize(4, filler);
      const DecodedCharacter character = decode_utf8(candidate, 0);
      if (character.valid && character.length > length) return length;
    }
    return 0;
  }
  return 0;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const DecodedCharacter character = decode_utf8(text, offset);
    append_utf8(result, character.code_point);
    offset += character.length;
  }
  return result;
}

}  // namespace lazyllm
