// SPDX-License-Identifier: Apache-2.0
#include "jinja/expression_parser.h"

#include <algorithm>

namespace lazyllm::jinja {
namespace {

using Operator = Expression::Operator;

/// Counts the nesting of one expression inside another while parsing.
class Nesting {
 public:
  Nesting(int& depth, int line) : depth_(depth) {
    if (depth_ >= kMaxExpressionDepth) {
      TokenStream::refuse_source("an expression nests too deep; split it with {% set %}", line);
    }
    ++depth_;
  }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

}  // namespace

std::unique_ptr<Expression> ExpressionParser::node(Kind kind, int line) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  return made;
}

ExpressionPtr ExpressionParser::finish(std::unique_ptr<Expression> made) {
  const auto include = [&](const ExpressionPtr& child) {
    if (child) made->depth = std::max(made->depth, child->depth + 1);
  };
  std::for_each(made->children.begin(), made->children.end(), include);
  for (const auto& keyword : made->keywords) include(keyword.second);
  include(made->spread);
  include(made->spread_keywords);
  if (made->depth > kMaxExpressionDepth) {
    TokenStream::refuse_source("an expression is too long a chain; split it with {% set %}",
                               made->line);
  }
  return made;
}

template <typename... Children>
ExpressionPtr ExpressionParser::make(Kind kind, int line, Children... children) const {
  auto made = node(kind, line);
  (made->children.push_back(std::move(children)), ...);
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::constant(Value value, int line) const {
  auto made = node(Kind::constant, line);
  made->value = std::move(value);
  return made;
}

ExpressionPtr ExpressionParser::expression(bool with_conditional) {
  const Nesting nesting(depth_, stream_.line());
  if (!with_conditional) return disjunction();
  int line = stream_.line();
  ExpressionPtr result = disjunction();
  while (stream_.skip_name("if")) {
    ExpressionPtr condition = disjunction();
    ExpressionPtr otherwise;
    if (stream_.skip_name("else")) otherwise = expression();
    result = make(Kind::conditional, line, std::move(condition), std::move(result),
                  std::move(otherwise));
    line = stream_.line();
  }
  return result;
}

ExpressionPtr ExpressionParser::disjunction() {
  ExpressionPtr left = conjunction();
  while (stream_.at_name("or")) {
    const int line = stream_.next().line;
    left = make(Kind::logical_or, line, std::move(left), conjunction());
  }
  return left;
}

ExpressionPtr ExpressionParser::conjunction() {
  ExpressionPtr left = negation();
  while (stream_.at_name("and")) {
    const int line = stream_.next().line;
    left = make(Kind::logical_and, line, std::move(left), negation());
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  if (!stream_.at_name("not")) return comparison();
  const Nesting nesting(depth_, stream_.line());
  const int line = stream_.next().line;
  return make(Kind::logical_not, line, negation());
}

ExpressionPtr ExpressionParser::comparison() {
  auto made = node(Kind::compare, stream_.line());
  made->children.push_back(sum());
  while (true) {
    static constexpr std::pair<std::string_view, Operator> kOperators[] = {
        {"==", Operator::equal},      {"!=", Operator::not_equal}, {"<", Operator::less},
        {"<=", Operator::less_equal}, {">", Operator::greater},    {">=", Operator::greater_equal}};
    const auto* known = std::find_if(std::begin(kOperators), std::end(kOperators),
                                     [&](const auto& op) { return stream_.at_symbol(op.first); });
    if (known != std::end(kOperators)) {
      stream_.next();
      made->operators.push_back(known->second);
    } else if (stream_.skip_name("in")) {
      made->operators.push_back(Operator::in);
    } else if (stream_.at_name("not") && stream_.look().is_name("in")) {
      stream_.next();
      stream_.next();
      made->operators.push_back(Operator::not_in);
    } else {
      break;
    }
    made->children.push_back(sum());
  }
  if (made->operators.empty()) return std::move(made->children.front());
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr left = concatenation();
  while (stream_.at_symbol("+") || stream_.at_symbol("-")) {
    auto made = node(Kind::arithmetic, stream_.line());
    made->operators.push_back(stream_.next().text == "+" ? Operator::add : Operator::subtract);
    made->children.push_back(std::move(left));
    made->children.push_back(concatenation());
    left = finish(std::move(made));
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  auto made = node(Kind::concatenate, stream_.line());
  made->children.push_back(product());
  while (stream_.skip_symbol("~")) made->children.push_back(product());
  if (made->children.size() == 1) return std::move(made->children.front());
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::product() {
  ExpressionPtr left = power();
  while (stream_.at_symbol("*") || stream_.at_symbol("/") || stream_.at_symbol("//") ||
         stream_.at_symbol("%")) {
    auto made = node(Kind::arithmetic, stream_.line());
    const std::string& spelling = stream_.next().text;
    made->operators.push_back(spelling == "*"    ? Operator::multiply
                              : spelling == "/"  ? Operator::divide
                              : spelling == "//" ? Operator::floor_divide
                                                 : Operator::modulo);
    made->children.push_back(std::move(left));
    made->children.push_back(power());
    left = finish(std::move(made));
  }
  return left;
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = unary(true);
  while (stream_.at_symbol("**")) {
    auto made = node(Kind::arithmetic, stream_.next().line);
    made->operators.push_back(Operator::power);
    made->children.push_back(std::move(left));
    made->children.push_back(unary(true));
    left = finish(std::move(made));
  }
  return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filter) {
  const Nesting nesting(depth_, stream_.line());
  ExpressionPtr result;
  if (stream_.at_symbol("-") || stream_.at_symbol("+")) {
    const Token& sign = stream_.next();
    result = make(sign.text == "-" ? Kind::negate : Kind::plus, sign.line, unary(false));
  } else {
    result = primary();
  }
  result = postfix(std::move(result));
  return with_filter ? filters_and_tests(std::move(result)) : std::move(result);
}

ExpressionPtr ExpressionParser::primary(bool with_namespace) {
  const Token& token = stream_.current();
  const int line = token.line;
  switch (token.kind) {
    case TokenKind::name: {
      const std::string spelling = stream_.next().text;
      if (spelling == "true" || spelling == "True") return constant(Value(true), line);
      if (spelling == "false" || spelling == "False") return constant(Value(false), line);
      if (spelling == "none" || spelling == "None") return constant(Value(), line);
      auto made = node(Kind::name, line);
      made->name = spelling;
      if (with_namespace && stream_.skip_symbol(".")) {
        made->kind = Kind::attribute_of_namespace;
        made->attribute = stream_.expect_any_name();
      }
      return made;
    }
    case TokenKind::string: {
      std::string bytes;
      while (stream_.at(TokenKind::string)) bytes += stream_.next().text;
      return constant(Value(Text(std::move(bytes), true)), line);
    }
    case TokenKind::integer:
      return constant(Value(stream_.next().integer), line);
    case TokenKind::real:
      return constant(Value(stream_.next().real), line);
    case TokenKind::symbol:
      if (stream_.skip_symbol("(")) {
        ExpressionPtr result = tuple(true, {}, true);
        stream_.expect_symbol(")");
        return result;
      }
      if (token.text == "[") return list();
      if (token.text == "{") return dict();
      [[fallthrough]];
    default:
      stream_.unexpected("an expression");
  }
}

bool ExpressionParser::at_tuple_end(std::string_view end_name) const {
  return stream_.at(TokenKind::variable_end) || stream_.at(TokenKind::block_end) ||
         stream_.at_symbol(")") || (!end_name.empty() && stream_.at_name(end_name));
}

ExpressionPtr ExpressionParser::tuple(bool with_conditional, std::string_view end_name,
                                      bool in_parentheses) {
  auto made = node(Kind::tuple, stream_.line());
  bool is_tuple = false;
  while (!at_tuple_end(end_name)) {
    made->children.push_back(expression(with_conditional));
    if (!stream_.skip_symbol(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!made->children.empty()) return std::move(made->children.front());
    if (!in_parentheses) stream_.unexpected("an expression");
  }
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::target(bool with_namespace, std::string_view end_name) {
  auto made = node(Kind::tuple, stream_.line());
  bool is_tuple = false;
  while (!at_tuple_end(end_name)) {
    made->children.push_back(primary(with_namespace));
    if (!stream_.skip_symbol(",")) break;
    is_tuple = true;
  }
  if (made->children.empty()) stream_.unexpected("a name to assign to");
  ExpressionPtr result = is_tuple ? finish(std::move(made)) : std::move(made->children.front());
  check_target(*result);
  return result;
}

ExpressionPtr ExpressionParser::name_target() {
  auto made = node(Kind::name, stream_.line());
  made->name = stream_.expect_any_name();
  check_target(*made);
  return made;
}

void ExpressionParser::check_target(const Expression& target) {
  if (target.kind == Kind::tuple) {
    for (const ExpressionPtr& child : target.children) check_target(*child);
    return;
  }
  static constexpr std::string_view kConstants[] = {"true", "false", "none",
                                                    "True", "False", "None"};
  const bool is_name = target.kind == Kind::name || target.kind == Kind::attribute_of_namespace;
  if (!is_name || std::find(std::begin(kConstants), std::end(kConstants), target.name) !=
                      std::end(kConstants)) {
    TokenStream::refuse_source("only names, tuples of names and namespace attributes can be set",
                               target.line);
  }
}

ExpressionPtr ExpressionParser::list() {
  auto made = node(Kind::list, stream_.next().line);
  while (!stream_.at_symbol("]")) {
    made->children.push_back(expression());
    if (!stream_.skip_symbol(",")) break;
  }
  stream_.expect_symbol("]");
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::dict() {
  auto made = node(Kind::dict, stream_.next().line);
  while (!stream_.at_symbol("}")) {
    made->children.push_back(expression());
    stream_.expect_symbol(":");
    made->children.push_back(expression());
    if (!stream_.skip_symbol(",")) break;
  }
  stream_.expect_symbol("}");
  return finish(std::move(made));
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr subject) {
  while (true) {
    if (stream_.at_symbol(".") || stream_.at_symbol("[")) {
      subject = subscript(std::move(subject));
    } else if (stream_.at_symbol("(")) {
      subject = call(std::move(subject));
    } else {
      return subject;
    }
  }
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr subject) {
  while (true) {
    if (stream_.at_symbol("|")) {
      subject = filters(std::move(subject), false);
    } else if (stream_.at_name("is")) {
      subject = test(std::move(subject));
    } else if (stream_.at_symbol("(")) {
      subject = call(std::move(subject));
    } else {
      return subject;
    }
  }
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr subject, bool inline_start) {
  while (inline_start || stream_.at_symbol("|")) {
    if (!inline_start) stream_.next();
    inline_start = false;
    auto made = node(Kind::filter, stream_.line());
    made->name = stream_.expect_any_name();
    while (stream_.skip_symbol(".")) made->name.append(1, '.').append(stream_.expect_any_name());
    made->children.push_back(std::move(subject));
    if (stream_.at_symbol("(")) arguments(*made);
    subject = finish(std::move(made));
  }
  return subject;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr subject) {
  const int line = stream_.next().line;
  const bool negated = stream_.skip_name("not");
  auto made = node(Kind::test, line);
  made->name = stream_.expect_any_name();
  while (stream_.skip_symbol(".")) made->name.append(1, '.').append(stream_.expect_any_name());
  made->children.push_back(std::move(subject));
  const bool argument_follows = stream_.at(TokenKind::string) || stream_.at(TokenKind::integer) ||
                                stream_.at(TokenKind::real) || stream_.at_symbol("[") ||
                                stream_.at_symbol("{") ||
                                (stream_.at(TokenKind::name) && !stream_.at_name("else") &&
                                 !stream_.at_name("or") && !stream_.at_name("and"));
  if (stream_.at_symbol("(")) {
    arguments(*made);
  } else if (argument_follows) {
    if (stream_.at_name("is")) stream_.unexpected("no second 'is'; use parentheses");
    const Nesting nesting(depth_, line);
    made->children.push_back(postfix(primary()));
  }
  ExpressionPtr result = finish(std::move(made));
  if (!negated) return result;
  return make(Kind::logical_not, line, std::move(result));
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr subject) {
  const int line = stream_.line();
  if (stream_.skip_symbol(".")) {
    if (stream_.at(TokenKind::integer)) {
      return make(Kind::item, line, std::move(subject),
                  constant(Value(stream_.next().integer), line));
    }
    auto made = node(Kind::attribute, line);
    made->name = stream_.expect_any_name();
    made->children.push_back(std::move(subject));
    return finish(std::move(made));
  }
  stream_.expect_symbol("[");
  const auto slice_end = [&] { return stream_.at_symbol("]") || stream_.at_symbol(","); };
  ExpressionPtr bounds[3];
  if (!stream_.at_symbol(":")) {
    ExpressionPtr index = expression();
    if (stream_.at_symbol(",")) {
      auto made = node(Kind::tuple, line);
      made->children.push_back(std::move(index));
      while (stream_.skip_symbol(",")) made->children.push_back(expression());
      index = finish(std::move(made));
    }
    if (stream_.skip_symbol("]")) {
      return make(Kind::item, line, std::move(subject), std::move(index));
    }
    bounds[0] = std::move(index);
  }
  stream_.expect_symbol(":");
  if (!stream_.at_symbol(":") && !slice_end()) bounds[1] = expression();
  if (stream_.skip_symbol(":") && !slice_end()) bounds[2] = expression();
  stream_.expect_symbol("]");
  return make(Kind::slice, line, std::move(subject), std::move(bounds[0]), std::move(bounds[1]),
              std::move(bounds[2]));
}

ExpressionPtr ExpressionParser::call(ExpressionPtr subject) {
  auto made = node(Kind::call, stream_.line());
  made->children.push_back(std::move(subject));
  arguments(*made);
  return finish(std::move(made));
}

void ExpressionParser::arguments(Expression& into) {
  const int line = stream_.line();
  const auto ensure = [&](bool fine) {
    if (!fine) TokenStream::refuse_source("arguments stand in a wrong order", line);
  };
  stream_.expect_symbol("(");
  while (!stream_.at_symbol(")")) {
    if (stream_.skip_symbol("*")) {
      ensure(!into.spread && !into.spread_keywords);
      into.spread = expression();
    } else if (stream_.skip_symbol("**")) {
      ensure(!into.spread_keywords);
      into.spread_keywords = expression();
    } else if (stream_.at(TokenKind::name) && stream_.look().is_symbol("=")) {
      ensure(!into.spread_keywords);
      std::string name = stream_.next().text;
      stream_.next();
      for (const auto& known : into.keywords) ensure(known.first != name);
      into.keywords.emplace_back(std::move(name), expression());
    } else {
      ensure(!into.spread && !into.spread_keywords && into.keywords.empty());
      into.children.push_back(expression());
    }
    if (!stream_.skip_symbol(",")) break;
  }
  stream_.expect_symbol(")");
}

}  // namespace lazyllm::jinja
