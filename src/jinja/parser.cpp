// SPDX-License-Identifier: Apache-2.0
#include "jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "jinja/expression_parser.h"
#include "jinja/token_stream.h"

namespace lazyllm::jinja {
namespace {

using EndNames = std::initializer_list<std::string_view>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : stream_(std::move(tokens)), expressions_(stream_) {}

  Block run() { return block({}); }

 private:
  /// Statements until one of `end_names` opens a tag (left as the current token);
  /// with no names until the end of the template.
  Block block(EndNames end_names) {
    Block body;
    while (!stream_.at(TokenKind::end)) {
      if (stream_.at(TokenKind::data)) {
        auto text = std::make_unique<Expression>();
        text->kind = Expression::Kind::constant;
        text->line = stream_.line();
        text->value = Value(Text(stream_.next().text, true));
        output(body, std::move(text));
      } else if (stream_.at(TokenKind::variable_begin)) {
        stream_.next();
        ExpressionPtr value = expressions_.tuple();
        stream_.expect(TokenKind::variable_end);
        output(body, std::move(value));
      } else {
        stream_.expect(TokenKind::block_begin);
        if (std::any_of(end_names.begin(), end_names.end(),
                        [&](std::string_view name) { return stream_.at_name(name); })) {
          return body;
        }
        body.push_back(statement());
        stream_.expect(TokenKind::block_end);
      }
    }
    if (end_names.size() > 0) {
      stream_.unexpected(fmt::format("{{% {} %}}", *(end_names.end() - 1)));
    }
    return body;
  }

  static void output(Block& body, ExpressionPtr value) {
    if (body.empty() || body.back().kind != Statement::Kind::output) {
      body.push_back(make(Statement::Kind::output, value->line));
    }
    body.back().expressions.push_back(std::move(value));
  }

  static Statement make(Statement::Kind kind, int line) {
    Statement made;
    made.kind = kind;
    made.line = line;
    return made;
  }

  /// A body behind the tag that is being read; the end tag's name stays current.
  Block body_until(EndNames end_names) {
    stream_.skip_symbol(":");
    stream_.expect(TokenKind::block_end);
    if (depth_ >= kMaxBlockDepth) {
      TokenStream::refuse_source("blocks nest too deep; move some into a macro", stream_.line());
    }
    ++depth_;
    Block body = block(end_names);
    --depth_;
    return body;
  }

  Block body_through(std::string_view end_name) {
    Block body = body_until({end_name});
    stream_.next();
    return body;
  }

  Statement statement() {
    const int line = stream_.line();
    const std::string tag = stream_.expect_any_name();
    using Kind = Statement::Kind;
    if (tag == "for") return loop(line);
    if (tag == "if") return branch(line);
    if (tag == "set") return set(line);
    if (tag == "macro") return macro(line);
    if (tag == "call") return call_block(line);
    if (tag == "with") return with(line);
    if (tag == "print") return print(line);
    if (tag == "filter") {
      Statement made = make(Kind::filter_block, line);
      made.expressions.push_back(expressions_.filters(nullptr, true));
      made.blocks.push_back(body_through("endfilter"));
      return made;
    }
    if (tag == "generation") {
      Statement made = make(Kind::scope, line);
      const int loops = std::exchange(loops_, 0);
      made.blocks.push_back(body_through("endgeneration"));
      loops_ = loops;
      return made;
    }
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) TokenStream::refuse_source("'" + tag + "' stands outside of a loop", line);
      return make(tag == "break" ? Kind::leave_loop : Kind::next_round, line);
    }
    TokenStream::refuse_source(
        "the tag '" + tag +
            "' is unknown or does not belong here; chat templates can use for, if, "
            "set, macro, call, filter, with, generation, break, continue, raw",
        line);
  }

  Statement loop(int line) {
    Statement made = make(Statement::Kind::loop, line);
    made.targets.push_back(expressions_.target(false, "in"));
    refuse_loop_name(*made.targets[0]);
    stream_.expect_name("in");
    made.expressions.push_back(expressions_.tuple(false, "recursive"));
    made.expressions.push_back(stream_.skip_name("if") ? expressions_.expression() : nullptr);
    if (stream_.at_name("recursive")) {
      TokenStream::refuse_source("recursive loops are not supported; use a macro", line);
    }
    ++loops_;
    made.blocks.push_back(body_until({"else", "endfor"}));
    --loops_;
    made.blocks.emplace_back();
    if (stream_.next().text == "else") made.blocks.back() = body_through("endfor");
    return made;
  }

  static void refuse_loop_name(const Expression& target) {
    if (target.kind == Expression::Kind::name && target.name == "loop") {
      TokenStream::refuse_source("'loop' cannot be the variable of a loop", target.line);
    }
    for (const ExpressionPtr& child : target.children) refuse_loop_name(*child);
  }

  Statement branch(int line) {
    Statement made = make(Statement::Kind::branch, line);
    while (true) {
      made.expressions.push_back(expressions_.tuple(false));
      made.blocks.push_back(body_until({"elif", "else", "endif"}));
      const std::string end = stream_.next().text;
      if (end == "elif") continue;
      if (end == "else") made.blocks.push_back(body_through("endif"));
      return made;
    }
  }

  Statement set(int line) {
    Statement made = make(Statement::Kind::set, line);
    made.targets.push_back(expressions_.target(true));
    if (stream_.skip_symbol("=")) {
      made.expressions.push_back(expressions_.tuple());
      return made;
    }
    made.kind = Statement::Kind::set_block;
    made.expressions.push_back(expressions_.filters(nullptr, false));
    made.blocks.push_back(body_through("endset"));
    return made;
  }

  void parameters(Statement& made) {
    stream_.expect_symbol("(");
    while (!stream_.at_symbol(")")) {
      if (!made.parameters.empty()) stream_.expect_symbol(",");
      Parameter parameter{expressions_.name_target()->name, nullptr};
      for (const Parameter& known : made.parameters) {
        if (known.name == parameter.name) {
          TokenStream::refuse_source("a macro has two parameters '" + parameter.name + "'",
                                     made.line);
        }
      }
      if (stream_.skip_symbol("=")) {
        parameter.default_value = expressions_.expression();
      } else if (!made.parameters.empty() && made.parameters.back().default_value) {
        TokenStream::refuse_source("a parameter without a default follows one with a default",
                                   made.line);
      }
      made.parameters.push_back(std::move(parameter));
    }
    stream_.expect_symbol(")");
  }

  /// A body that jinja2 compiles to a function: the loops around it are out of reach.
  void macro_body(Statement& made, std::string_view end_name) {
    const int loops = std::exchange(loops_, 0);
    const size_t begin = stream_.position();
    made.blocks.push_back(body_through(end_name));
    made.takes_caller = stream_.names_since(begin, "caller");
    made.takes_keywords = stream_.names_since(begin, "kwargs");
    made.takes_more = stream_.names_since(begin, "varargs");
    loops_ = loops;
  }

  Statement macro(int line) {
    Statement made = make(Statement::Kind::macro, line);
    made.name = expressions_.name_target()->name;
    parameters(made);
    macro_body(made, "endmacro");
    return made;
  }

  Statement call_block(int line) {
    Statement made = make(Statement::Kind::call_block, line);
    made.name = "caller";
    if (stream_.at_symbol("(")) parameters(made);
    made.expressions.push_back(expressions_.expression());
    if (made.expressions[0]->kind != Expression::Kind::call) {
      TokenStream::refuse_source("{% call %} needs a call of a macro", line);
    }
    macro_body(made, "endcall");
    return made;
  }

  Statement with(int line) {
    Statement made = make(Statement::Kind::with, line);
    while (!stream_.at(TokenKind::block_end)) {
      if (!made.targets.empty()) stream_.expect_symbol(",");
      made.targets.push_back(expressions_.target(false));
      stream_.expect_symbol("=");
      made.expressions.push_back(expressions_.expression());
    }
    made.blocks.push_back(body_through("endwith"));
    return made;
  }

  Statement print(int line) {
    Statement made = make(Statement::Kind::output, line);
    while (!stream_.at(TokenKind::block_end)) {
      if (!made.expressions.empty()) stream_.expect_symbol(",");
      made.expressions.push_back(expressions_.expression());
    }
    return made;
  }

  TokenStream stream_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

Block parse(const std::string& source) {
  return Parser(tokenize(source)).run();
}

}  // namespace lazyllm::jinja
