// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "jinja/lexer.h"

namespace lazyllm::jinja {

/// The tokens of a template with one position. Reading past the end gives `end`.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[position_]; }
  const Token& look() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  int line() const { return current().line; }
  size_t position() const { return position_; }
  /// Whether a name was read since `begin`.
  bool names_since(size_t begin, std::string_view name) const {
    return std::any_of(tokens_.begin() + static_cast<std::ptrdiff_t>(begin),
                       tokens_.begin() + static_cast<std::ptrdiff_t>(position_),
                       [&](const Token& token) { return token.is_name(name); });
  }

  bool at(TokenKind kind) const { return current().kind == kind; }
  bool at_symbol(std::string_view spelling) const { return current().is_symbol(spelling); }
  bool at_name(std::string_view spelling) const { return current().is_name(spelling); }
  bool skip_symbol(std::string_view spelling) {
    const bool found = at_symbol(spelling);
    if (found) next();
    return found;
  }
  bool skip_name(std::string_view spelling) {
    const bool found = at_name(spelling);
    if (found) next();
    return found;
  }

  void expect_symbol(std::string_view spelling) {
    if (!skip_symbol(spelling)) unexpected(std::string("'") + std::string(spelling) + "'");
  }
  void expect_name(std::string_view spelling) {
    if (!skip_name(spelling)) unexpected(std::string("'") + std::string(spelling) + "'");
  }
  std::string expect_any_name() {
    if (!at(TokenKind::name)) unexpected("a name");
    return next().text;
  }
  void expect(TokenKind kind) {
    if (!at(kind)) unexpected(description({kind, 0, {}}));
    next();
  }

  [[noreturn]] void unexpected(std::string_view wanted) const {
    refuse_source(fmt::format("expected {}, found {}", wanted, description(current())), line());
  }
  [[noreturn]] static void refuse_source(std::string_view what, int line) {
    fail(ErrorCode::invalid_file, "chat template, line {}: {}", line, what);
  }

 private:
  static std::string description(const Token& token) {
    switch (token.kind) {
      case TokenKind::data:
        return "text";
      case TokenKind::block_begin:
        return "'{%'";
      case TokenKind::block_end:
        return "'%}'";
      case TokenKind::variable_begin:
        return "'{{'";
      case TokenKind::variable_end:
        return "'}}'";
      case TokenKind::string:
        return "a string";
      case TokenKind::integer:
      case TokenKind::real:
        return "a number";
      case TokenKind::end:
        return "the end of the template";
      default:
        return "'" + token.text + "'";
    }
  }

  std::vector<Token> tokens_;
  size_t position_ = 0;
};

}  // namespace lazyllm::jinja
