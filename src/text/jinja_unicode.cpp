// SPDX-License-Identifier: Apache-2.0
#include "text/jinja_unicode.h"

#include <algorithm>
#include <iterator>

namespace lazyllm::text::jinja {
namespace {

struct CaseRange {
  char32_t first, last;
  uint32_t stride;
  int32_t delta;
};
struct TitleException {
  char32_t code;
  int32_t delta;
};
struct SpecialCase {
  char32_t code;
  const char* text;
};
struct CharacterRange {
  char32_t first, last;
};

#include "text/jinja_unicode_tables.inc"

template <size_t N>
bool contains(const CharacterRange (&table)[N], char32_t code) {
  const auto* range =
      std::upper_bound(std::begin(table), std::end(table), code,
                       [](char32_t c, const CharacterRange& r) { return c < r.first; });
  return range != std::begin(table) && code <= std::prev(range)->last;
}

template <size_t N>
char32_t map_case(const CaseRange (&table)[N], char32_t code) {
  // Ranges of stride 2 may interleave, so the two before the position are looked at.
  const auto* range = std::upper_bound(std::begin(table), std::end(table), code,
                                       [](char32_t c, const CaseRange& r) { return c < r.first; });
  for (int back = 0; back < 3 && range != std::begin(table); ++back) {
    --range;
    if (code <= range->last && (code - range->first) % range->stride == 0) {
      return static_cast<char32_t>(static_cast<int32_t>(code) + range->delta);
    }
  }
  return code;
}

template <size_t N>
const char* special_case(const SpecialCase (&table)[N], char32_t code) {
  const auto* entry = std::lower_bound(std::begin(table), std::end(table), code,
                                       [](const SpecialCase& s, char32_t c) { return s.code < c; });
  return entry != std::end(table) && entry->code == code ? entry->text : nullptr;
}

std::string encode(char32_t code) {
  std::string out;
  append_utf8(out, code);
  return out;
}

bool is_ascii(char32_t code) {
  return code < 0x80;
}

}  // namespace

Character character_at(std::string_view bytes, size_t byte) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = at(byte);
  if (lead < 0x80) return {lead, 1};
  size_t length = 0;
  char32_t code = 0, smallest = 0;
  if ((lead & 0xE0) == 0xC0) {
    length = 2, code = lead & 0x1F, smallest = 0x80;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3, code = lead & 0x0F, smallest = 0x800;
  } else if ((lead & 0xF8) == 0xF0) {
    length = 4, code = lead & 0x07, smallest = 0x10000;
  }
  if (length == 0 || byte + length > bytes.size()) return {kInvalidCharacter, 1};
  for (size_t i = 1; i < length; ++i) {
    if ((at(byte + i) & 0xC0) != 0x80) return {kInvalidCharacter, 1};
    code = code << 6 | (at(byte + i) & 0x3F);
  }
  if (code < smallest || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    return {kInvalidCharacter, 1};
  }
  return {code, length};
}

size_t character_before(std::string_view bytes, size_t byte) {
  for (size_t length = 1; length <= 4 && length <= byte; ++length) {
    const unsigned char lead = static_cast<unsigned char>(bytes[byte - length]);
    if ((lead & 0xC0) == 0x80) continue;
    if (character_at(bytes, byte - length).length == length) return byte - length;
    break;
  }
  return byte - 1;
}

size_t count_characters(std::string_view bytes) {
  size_t count = 0;
  for (size_t i = 0; i < bytes.size(); i += character_at(bytes, i).length) ++count;
  return count;
}

size_t byte_of_character(std::string_view bytes, size_t index) {
  size_t byte = 0;
  for (; index > 0 && byte < bytes.size(); --index) byte += character_at(bytes, byte).length;
  return byte;
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  }
}

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 ||
         code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_line_break(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 ||
         code == 0x2028 || code == 0x2029;
}

bool is_printable(char32_t code) {
  if (is_ascii(code)) return code >= 0x20 && code < 0x7F;
  return code <= 0x10FFFF && !contains(kNotPrintable, code);
}

bool is_alphabetic(char32_t code) {
  if (is_ascii(code)) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
  return contains(kAlphabetic, code);
}

bool is_decimal(char32_t code) {
  return is_ascii(code) ? code >= '0' && code <= '9' : contains(kDecimal, code);
}

bool is_digit(char32_t code) {
  return is_ascii(code) ? code >= '0' && code <= '9' : contains(kDigit, code);
}

bool is_numeric(char32_t code) {
  return is_ascii(code) ? code >= '0' && code <= '9' : contains(kNumeric, code);
}

bool is_upper(char32_t code) {
  if (is_ascii(code)) return code >= 'A' && code <= 'Z';
  return map_case(kLower, code) != code || special_case(kLowerSpecial, code) != nullptr;
}

bool is_lower(char32_t code) {
  if (is_ascii(code)) return code >= 'a' && code <= 'z';
  return (map_case(kUpper, code) != code || special_case(kUpperSpecial, code) != nullptr) &&
         !is_upper(code);
}

std::string to_upper(char32_t code) {
  if (is_ascii(code)) return {static_cast<char>(is_lower(code) ? code - 32 : code)};
  if (const char* text = special_case(kUpperSpecial, code)) return text;
  return encode(map_case(kUpper, code));
}

std::string to_lower(char32_t code) {
  if (is_ascii(code)) return {static_cast<char>(is_upper(code) ? code + 32 : code)};
  if (const char* text = special_case(kLowerSpecial, code)) return text;
  return encode(map_case(kLower, code));
}

std::string to_title(char32_t code) {
  if (is_ascii(code)) return to_upper(code);
  if (const char* text = special_case(kTitleSpecial, code)) return text;
  for (const TitleException& exception : kTitle) {
    if (exception.code == code) {
      return encode(static_cast<char32_t>(static_cast<int32_t>(code) + exception.delta));
    }
  }
  return to_upper(code);
}

}  // namespace lazyllm::text::jinja
