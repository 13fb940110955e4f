// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::jinja {

enum class TokenKind : uint8_t {
  data,            ///< text outside of tags, whitespace control applied
  block_begin,     ///< {%
  block_end,       ///< %}
  variable_begin,  ///< {{
  variable_end,    ///< }}
  name,
  string,  ///< without quotes, escapes resolved
  integer,
  real,
  symbol,  ///< an operator or bracket, spelled in `text`
  end,
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;
  int64_t integer = 0;
  double real = 0;

  bool is_symbol(std::string_view spelling) const {
    return kind == TokenKind::symbol && text == spelling;
  }
  bool is_name(std::string_view spelling) const {
    return kind == TokenKind::name && text == spelling;
  }
};

/// Splits a template as jinja2 does with trim_blocks and lstrip_blocks on: newlines
/// become \n, one newline at the very end is dropped, {% raw %} becomes data, comments
/// vanish, `-` strips, `+` keeps. The last token is `end`.
/// Errors: Error(invalid_file) with the line.
std::vector<Token> tokenize(const std::string& source);

}  // namespace lazyllm::jinja
