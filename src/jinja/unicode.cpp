// SPDX-License-Identifier: Apache-2.0
#include "jinja/unicode.h"

#include <utf8proc.h>

#include "base/utf8.h"

namespace lazyllm::jinja {
namespace {

bool is_ascii(char32_t code) {
  return code < 0x80;
}

utf8proc_category_t category_of(char32_t code) {
  // Out of range, as stray bytes are, it is "unassigned".
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

std::string encode(utf8proc_int32_t code) {
  std::string out;
  append_utf8(out, static_cast<char32_t>(code));
  return out;
}

}  // namespace

Character character_at(std::string_view bytes, size_t byte) {
  const DecodedCharacter character = decode_utf8(bytes, byte);
  return {character.valid ? character.code_point : kInvalidCharacter, character.length};
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
  const utf8proc_category_t category = category_of(code);
  return category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS;
}

bool is_alphabetic(char32_t code) {
  if (is_ascii(code)) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
  const utf8proc_category_t category = category_of(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t code) {
  if (is_ascii(code)) return code >= '0' && code <= '9';
  return category_of(code) == UTF8PROC_CATEGORY_ND;
}

bool is_digit(char32_t code) {
  return is_decimal(code) || code == 0xB2 || code == 0xB3 || code == 0xB9 ||
         (code >= 0x2070 && code <= 0x2079 && code != 0x2071) || (code >= 0x2080 && code <= 0x2089);
}

bool is_numeric(char32_t code) {
  const utf8proc_category_t category = category_of(code);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_upper(char32_t code) {
  if (is_ascii(code)) return code >= 'A' && code <= 'Z';
  return category_of(code) == UTF8PROC_CATEGORY_LU || category_of(code) == UTF8PROC_CATEGORY_LT;
}

bool is_lower(char32_t code) {
  if (is_ascii(code)) return code >= 'a' && code <= 'z';
  return category_of(code) == UTF8PROC_CATEGORY_LL;
}

// The two everyday characters whose other case is two characters are named here.

std::string to_upper(char32_t code) {
  if (code == 0xDF) return "SS";
  return encode(utf8proc_toupper(static_cast<utf8proc_int32_t>(code)));
}

std::string to_lower(char32_t code) {
  if (code == 0x130) return "i\u0307";
  return encode(utf8proc_tolower(static_cast<utf8proc_int32_t>(code)));
}

std::string to_title(char32_t code) {
  if (code == 0xDF) return "Ss";
  return encode(utf8proc_totitle(static_cast<utf8proc_int32_t>(code)));
}

}  // namespace lazyllm::jinja
