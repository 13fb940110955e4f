// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace lazyllm::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

/// One node of an expression. What the fields hold depends on the kind.
struct Expression {
  enum class Kind : uint8_t {
    constant,                ///< value
    name,                    ///< name
    attribute_of_namespace,  ///< name.attribute; only as a target of `set`
    list,                    ///< children
    tuple,                   ///< children
    dict,                    ///< children: key, value, key, value...
    attribute,               ///< children[0].name
    item,                    ///< children[0][children[1]]
    slice,        ///< children[0][children[1]:children[2]:children[3]], bounds may be null
    call,         ///< children[0](children[1]..., keywords)
    filter,       ///< children[0] | name(children[1]..., keywords); children[0] may be null
    test,         ///< children[0] is name(children[1]..., keywords)
    negate,       ///< -children[0]
    plus,         ///< +children[0]
    logical_not,  ///< not children[0]
    logical_and,
    logical_or,
    arithmetic,   ///< children[0] operators[0] children[1]
    compare,      ///< children[0] operators[0] children[1] operators[1] children[2]...
    concatenate,  ///< children[0] ~ children[1] ~ ...
    conditional,  ///< children[1] if children[0] else children[2], which may be null
  };
  enum class Operator : uint8_t {
    add,
    subtract,
    multiply,
    divide,
    floor_divide,
    modulo,
    power,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
    not_in,
  };

  Kind kind;
  int line;
  int depth = 1;  ///< of the tree below, at most kMaxExpressionDepth
  std::string name, attribute;
  Value value;
  std::vector<ExpressionPtr> children;
  std::vector<Operator> operators;
  std::vector<std::pair<std::string, ExpressionPtr>> keywords;
  ExpressionPtr spread, spread_keywords;  ///< f(*spread, **spread_keywords), may be null
};

struct Statement;
using Block = std::vector<Statement>;

/// One parameter of a macro; the default may be null.
struct Parameter {
  std::string name;
  ExpressionPtr default_value;
};

struct Statement {
  enum class Kind : uint8_t {
    output,        ///< expressions
    loop,          ///< for target in expressions[0] (if expressions[1]) body else other
    branch,        ///< if: expressions[i] -> blocks[i]; one more block is the else
    set,           ///< target = expressions[0]
    set_block,     ///< target = body through expressions[0], a filter or null
    macro,         ///< name(parameters) body
    call_block,    ///< {% call(parameters) expressions[0] %} body
    filter_block,  ///< expressions[0] is the filter
    with,          ///< targets = expressions in body
    scope,         ///< {% generation %}: a body with a scope of its own
    leave_loop,    ///< break
    next_round,    ///< continue
  };

  Kind kind;
  int line;
  std::string name;
  std::vector<ExpressionPtr> targets;
  std::vector<ExpressionPtr> expressions;
  std::vector<Parameter> parameters;
  std::vector<Block> blocks;  ///< the body, then further bodies
  /// Macros: which of the implicit variables the body names.
  bool takes_keywords = false, takes_more = false, takes_caller = false;
};

}  // namespace lazyllm::jinja
