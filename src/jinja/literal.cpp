// SPDX-License-Identifier: Apache-2.0
#include "jinja/literal.h"

#include <charconv>
#include <cstdlib>

#include "base/utf8.h"

namespace lazyllm::jinja {
namespace {

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/// Digits of `base`, each after the first optionally led by one underscore.
size_t scan_digits(std::string_view source, size_t at, int base, std::string& digits) {
  while (at < source.size()) {
    const size_t next = source[at] == '_' && !digits.empty() ? at + 1 : at;
    if (next >= source.size() || digit_value(source[next]) >= base) break;
    digits.push_back(source[next]);
    at = next + 1;
  }
  return at;
}

/// The length of a float, or 0.
size_t scan_real(std::string_view source, double& value) {
  std::string spelled;
  size_t at = scan_digits(source, 0, 10, spelled);
  bool is_real = false;
  std::string digits;
  if (at + 1 < source.size() && source[at] == '.') {
    const size_t end = scan_digits(source, at + 1, 10, digits);
    if (!digits.empty()) {
      spelled += "." + digits;
      at = end;
      is_real = true;
    }
  }
  if (at < source.size() && (source[at] == 'e' || source[at] == 'E')) {
    size_t exponent = at + 1;
    std::string sign;
    if (exponent < source.size() && (source[exponent] == '+' || source[exponent] == '-')) {
      sign = source[exponent++];
    }
    digits.clear();
    const size_t end = scan_digits(source, exponent, 10, digits);
    if (!digits.empty()) {
      spelled += "e" + sign + digits;
      at = end;
      is_real = true;
    }
  }
  if (!is_real) return 0;
  const auto result = std::from_chars(spelled.data(), spelled.data() + spelled.size(), value);
  if (result.ec == std::errc::result_out_of_range) value = std::strtod(spelled.c_str(), nullptr);
  return at;
}

}  // namespace

std::string unescape(std::string_view body, std::string& out) {
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out.push_back(body[i]);
      continue;
    }
    if (++i >= body.size()) return "a string ends in a lone backslash";
    const char c = body[i];
    static constexpr std::string_view kNames = "abfnrtv\\'\"", kBytes = "\a\b\f\n\r\t\v\\'\"";
    const size_t known = kNames.find(c);
    if (known != std::string_view::npos) {
      out.push_back(kBytes[known]);
    } else if (c == '\n') {
      // A backslash at the end of a line joins the lines.
    } else if (c >= '0' && c <= '7') {
      char32_t code = 0;
      size_t length = 0;
      while (length < 3 && i + length < body.size() && body[i + length] >= '0' &&
             body[i + length] <= '7') {
        code = code * 8 + static_cast<char32_t>(body[i + length++] - '0');
      }
      append_utf8(out, code);
      i += length - 1;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t length = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      char32_t code = 0;
      for (size_t k = 1; k <= length; ++k) {
        if (i + k >= body.size() || digit_value(body[i + k]) > 15) {
          return "a string has a truncated \\x, \\u or \\U escape";
        }
        code = code * 16 + static_cast<char32_t>(digit_value(body[i + k]));
      }
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return "a \\u escape is no character; write characters over U+FFFF with \\U";
      }
      append_utf8(out, code);
      i += length;
    } else if (c == 'N') {
      return "\\N{...} escapes are not supported; write the character itself";
    } else {
      out.push_back('\\');
      out.push_back(c);
    }
  }
  return {};
}

size_t scan_number(std::string_view source, bool may_be_real, Token& token) {
  if (may_be_real) {
    if (const size_t length = scan_real(source, token.real)) {
      token.kind = TokenKind::real;
      return length;
    }
  }
  token.kind = TokenKind::integer;
  int base = 10;
  size_t at = 0;
  std::string digits;
  if (source[0] == '0' && source.size() > 2) {
    const char mark = static_cast<char>(source[1] | 0x20);
    base = mark == 'b' ? 2 : mark == 'o' ? 8 : mark == 'x' ? 16 : 10;
    if (base != 10) {
      at = scan_digits(source, source[2] == '_' ? 3 : 2, base, digits);
      if (digits.empty()) base = 10;
    }
  }
  if (base == 10) {
    digits.clear();
    // A number that starts with zero is only zeros: "007" is 0 and then 7.
    at = scan_digits(source, 0, source[0] == '0' ? 1 : 10, digits);
  }
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base);
  return result.ec == std::errc() ? at : 0;
}

}  // namespace lazyllm::jinja
