// SPDX-License-Identifier: Apache-2.0
#include "jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "jinja/literal.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

/// Longest first, so that the first match is the right one.
constexpr std::array<std::string_view, 26> kSymbols = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

std::string normalized(const std::string& source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out.push_back(source[i]);
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) root();
    emit(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  struct Opening {
    size_t at;      ///< of the "{"
    char kind;      ///< '%', '{', '#', or 'r' for a raw block
    char sign;      ///< '-', '+' or 0
    size_t length;  ///< through the sign; for raw through its end
  };

  [[noreturn]] void refuse_source(const std::string& what) const {
    fail(ErrorCode::invalid_file, "chat template, line {}: {}", line_, what);
  }

  void emit(TokenKind kind, std::string text = {}) {
    tokens_.push_back({kind, line_, std::move(text)});
  }

  bool looking_at(std::string_view text, size_t at) const {
    return std::string_view(source_).substr(std::min(at, source_.size())).starts_with(text);
  }

  size_t skip_space(size_t at) const {
    while (at < source_.size()) {
      const Character character = character_at(source_, at);
      if (!is_space(character.code)) break;
      at += character.length;
    }
    return at;
  }

  /// Moves on and counts lines; remembers whether a line starts here.
  void advance_to(size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(position_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    if (end > position_) line_starting_ = source_[end - 1] == '\n';
    position_ = end;
  }

  Opening opening_at(size_t at) const {
    Opening found{at, source_[at + 1], 0, 2};
    if (at + 2 < source_.size() && (source_[at + 2] == '-' || source_[at + 2] == '+')) {
      found.sign = source_[at + 2];
      found.length = 3;
    }
    if (found.kind == '%') {
      size_t inside = skip_space(at + found.length);
      if (looking_at("raw", inside)) {
        inside = skip_space(inside + 3);
        if (looking_at("-%}", inside)) {
          found.kind = 'r';
          found.length = skip_space(inside + 3) - at;
        } else if (looking_at("%}", inside)) {
          found.kind = 'r';
          found.length = inside + 2 - at;
        }
      }
    }
    return found;
  }

  /// Text before a tag, with what its sign and lstrip_blocks take away.
  std::string stripped_data(size_t end, char sign, bool is_variable) const {
    std::string_view data = std::string_view(source_).substr(position_, end - position_);
    if (sign == '-') {
      size_t keep = data.size();
      while (keep > 0) {
        const size_t before = character_before(data, keep);
        if (!is_space(character_at(data, before).code)) break;
        keep = before;
      }
      return std::string(data.substr(0, keep));
    }
    if (sign != '+' && !is_variable) {
      const size_t newline = data.rfind('\n');
      const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      if (line_begin > 0 || line_starting_) {
        size_t at = line_begin;
        while (at < data.size() && is_space(character_at(data, at).code)) {
          at += character_at(data, at).length;
        }
        if (at == data.size()) data = data.substr(0, line_begin);
      }
    }
    return std::string(data);
  }

  void root() {
    size_t at = position_;
    while (true) {
      at = source_.find('{', at);
      if (at == std::string::npos || at + 1 >= source_.size()) {
        emit(TokenKind::data, source_.substr(position_));
        return advance_to(source_.size());
      }
      const char next = source_[at + 1];
      if (next == '%' || next == '{' || next == '#') break;
      ++at;
    }
    const Opening opening = opening_at(at);
    std::string data = stripped_data(at, opening.sign, opening.kind == '{');
    if (!data.empty()) emit(TokenKind::data, std::move(data));
    advance_to(at + opening.length);
    switch (opening.kind) {
      case '#':
        return comment();
      case 'r':
        return raw();
      case '{':
        emit(TokenKind::variable_begin);
        return tag("}}", TokenKind::variable_end);
      default:
        emit(TokenKind::block_begin);
        return tag("%}", TokenKind::block_end);
    }
  }

  /// The end of a closing tag whose sign stands at `at`, or 0 if none closes here.
  size_t closing(std::string_view bracket, bool is_variable, size_t at) const {
    if (source_[at] == '-' && looking_at(bracket, at + 1)) return skip_space(at + 3);
    if (source_[at] == '+' && !is_variable && looking_at(bracket, at + 1)) return at + 3;
    if (!looking_at(bracket, at)) return 0;
    const size_t end = at + 2;
    return !is_variable && end < source_.size() && source_[end] == '\n' ? end + 1 : end;
  }

  void comment() {
    for (size_t at = position_; at < source_.size(); ++at) {
      if (const size_t end = closing("#}", false, at)) return advance_to(end);
    }
    refuse_source("the comment that starts here has no end; close it with #}");
  }

  void raw() {
    for (size_t at = source_.find("{%", position_); at != std::string::npos;
         at = source_.find("{%", at + 1)) {
      size_t inside = at + 2;
      char sign = 0;
      if (inside < source_.size() && (source_[inside] == '-' || source_[inside] == '+')) {
        sign = source_[inside++];
      }
      inside = skip_space(inside);
      if (!looking_at("endraw", inside)) continue;
      inside = skip_space(inside + 6);
      const size_t end = inside < source_.size() ? closing("%}", false, inside) : 0;
      if (end == 0) continue;
      std::string data = stripped_data(at, sign, false);
      if (!data.empty()) emit(TokenKind::data, std::move(data));
      return advance_to(end);
    }
    refuse_source("the raw block that starts here has no end; close it with {% endraw %}");
  }

  void tag(std::string_view bracket, TokenKind end_kind) {
    const bool is_variable = end_kind == TokenKind::variable_end;
    std::string open_brackets;
    while (position_ < source_.size()) {
      if (open_brackets.empty()) {
        if (const size_t end = closing(bracket, is_variable, position_)) {
          emit(end_kind);
          return advance_to(end);
        }
      }
      const size_t after_space = skip_space(position_);
      if (after_space > position_) {
        advance_to(after_space);
        continue;
      }
      const unsigned char c = static_cast<unsigned char>(source_[position_]);
      if (c >= '0' && c <= '9') {
        number();
      } else if (is_name_byte(c)) {
        size_t end = position_;
        while (end < source_.size() && is_name_byte(static_cast<unsigned char>(source_[end])))
          ++end;
        emit(TokenKind::name, source_.substr(position_, end - position_));
        advance_to(end);
      } else if (c == '"' || c == '\'') {
        string();
      } else {
        symbol(open_brackets);
      }
    }
  }

  /// ASCII as in Python; every other letter is taken on trust.
  static bool is_name_byte(unsigned char c) {
    return c == '_' || c >= 0x80 || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  }

  void number() {
    Token token{TokenKind::integer, line_, {}};
    const bool may_be_real = position_ == 0 || source_[position_ - 1] != '.';
    const size_t length =
        scan_number(std::string_view(source_).substr(position_), may_be_real, token);
    if (length == 0) refuse_source("an integer is over 2^63 - 1; this version cannot hold it");
    tokens_.push_back(std::move(token));
    advance_to(position_ + length);
  }

  void string() {
    const char quote = source_[position_];
    size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) refuse_source("a string has no closing quote");
    std::string text;
    const std::string problem =
        unescape(std::string_view(source_).substr(position_ + 1, end - position_ - 1), text);
    if (!problem.empty()) refuse_source(problem);
    emit(TokenKind::string, std::move(text));
    advance_to(end + 1);
  }

  void symbol(std::string& open_brackets) {
    for (const std::string_view spelling : kSymbols) {
      if (!looking_at(spelling, position_)) continue;
      const char c = spelling[0];
      if (c == '(' || c == '[' || c == '{') {
        open_brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
      } else if (c == ')' || c == ']' || c == '}') {
        if (open_brackets.empty() || open_brackets.back() != c) {
          refuse_source(fmt::format("unexpected '{}'", c));
        }
        open_brackets.pop_back();
      }
      emit(TokenKind::symbol, std::string(spelling));
      return advance_to(position_ + spelling.size());
    }
    refuse_source(fmt::format("unexpected character '{}'", source_[position_]));
  }

  std::string source_;
  size_t position_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(const std::string& source) {
  return Lexer(normalized(source)).run();
}

}  // namespace lazyllm::jinja
