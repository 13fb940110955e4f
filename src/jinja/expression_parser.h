// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "jinja/ast.h"
#include "jinja/token_stream.h"

namespace lazyllm::jinja {

/// Recursive descent over one expression, with jinja2's (not Python's) precedence:
/// `~` binds tighter than `+`, `-1|abs` filters the negated number, `a ** b ** c`
/// groups from the left. Depth is bounded, so hostile nesting cannot overflow the stack.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& stream) : stream_(stream) {}

  ExpressionPtr expression(bool with_conditional = true);
  /// One expression or, with commas, a tuple of them.
  ExpressionPtr tuple(bool with_conditional = true, std::string_view end_name = {},
                      bool in_parentheses = false);
  /// `a`, `a, b`, `(a, b), c`, and `ns.a` where `with_namespace`.
  ExpressionPtr target(bool with_namespace, std::string_view end_name = {});
  ExpressionPtr name_target();
  /// A chain of filters; `subject` may be null. `inline_start`: no '|' before the first.
  ExpressionPtr filters(ExpressionPtr subject, bool inline_start);

 private:
  using Kind = Expression::Kind;
  std::unique_ptr<Expression> node(Kind kind, int line) const;
  static ExpressionPtr finish(std::unique_ptr<Expression> made);
  template <typename... Children>
  ExpressionPtr make(Kind kind, int line, Children... children) const;
  ExpressionPtr constant(Value value, int line) const;

  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filter);
  ExpressionPtr primary(bool with_namespace = false);
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr subject);
  ExpressionPtr filters_and_tests(ExpressionPtr subject);
  ExpressionPtr subscript(ExpressionPtr subject);
  ExpressionPtr test(ExpressionPtr subject);
  ExpressionPtr call(ExpressionPtr subject);
  void arguments(Expression& into);
  bool at_tuple_end(std::string_view end_name) const;
  static void check_target(const Expression& target);

  TokenStream& stream_;
  int depth_ = 0;
};

}  // namespace lazyllm::jinja
