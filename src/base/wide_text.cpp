// SPDX-License-Identifier: Apache-2.0
#include "base/wide_text.h"

#include <cstdint>

#include "base/error.h"

namespace lazyllm {
namespace {

using namespace std::string_view_literals;

struct Encoding {
  std::string_view mark;
  const char* name;
  size_t unit;  ///< bytes
  bool little;
};

// UTF-32LE's mark begins with UTF-16LE's.
constexpr Encoding kEncodings[] = {{"\xff\xfe\0\0"sv, "UTF-32", 4, true},
                                   {"\0\0\xfe\xff"sv, "UTF-32", 4, false},
                                   {"\xff\xfe"sv, "UTF-16", 2, true},
                                   {"\xfe\xff"sv, "UTF-16", 2, false}};

uint32_t unit_at(std::string_view bytes, size_t at, const Encoding& encoding) {
  uint32_t value = 0;
  for (size_t i = 0; i < encoding.unit; ++i) {
    const size_t byte = encoding.little ? encoding.unit - 1 - i : i;
    value = value << 8 | static_cast<unsigned char>(bytes[at + byte]);
  }
  return value;
}

void append_utf8(std::string& text, uint32_t code) {
  const auto tail = [&](unsigned shift) {
    text += static_cast<char>(0x80u | ((code >> shift) & 0x3fu));
  };
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0u | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0u | code >> 12);
    tail(6), tail(0);
  } else {
    text += static_cast<char>(0xf0u | code >> 18);
    tail(12), tail(6), tail(0);
  }
}

}  // namespace

std::optional<std::string> from_wide_text(std::string_view bytes, std::string_view name) {
  for (const Encoding& encoding : kEncodings) {
    if (!bytes.starts_with(encoding.mark)) continue;
    std::string text;
    const auto damaged = [&](size_t at) {
      fail(ErrorCode::invalid_input, "{} is {} by its first bytes but damaged at byte {}.", name,
           encoding.name, at);
    };
    for (size_t at = encoding.mark.size(); at < bytes.size(); at += encoding.unit) {
      if (at + encoding.unit > bytes.size()) damaged(at);
      uint32_t code = unit_at(bytes, at, encoding);
      if (encoding.unit == 2 && code >= 0xd800 && code < 0xdc00) {  // first half of a pair
        if (at + 4 > bytes.size()) damaged(at);
        const uint32_t second = unit_at(bytes, at + 2, encoding);
        if (second < 0xdc00 || second > 0xdfff) damaged(at);
        code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
        at += 2;
      } else if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        damaged(at);
      }
      if (code == 0) {
        fail(ErrorCode::invalid_input, "{} is not a text: the character at byte {} is zero.", name,
             at);
      }
      append_utf8(text, code);
    }
    return text;
  }
  return std::nullopt;
}

}  // namespace lazyllm
