// SPDX-License-Identifier: Apache-2.0
// Expressions of the interpreter.
#include <algorithm>

#include "jinja/interpreter.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {

using Kind = Expression::Kind;
using Operator = Expression::Operator;

Value Runtime::evaluate(const Expression& expression) {
  const DepthGuard guard(depth_, kMaxEvaluationDepth);
  budget.charge(Budget::kNode);
  switch (expression.kind) {
    case Kind::constant:
      return expression.value;
    case Kind::name:
    case Kind::attribute_of_namespace:
      return evaluate_name(expression);
    case Kind::list:
    case Kind::tuple:
      return evaluate_sequence(expression);
    case Kind::dict:
      return evaluate_dict(expression);
    case Kind::attribute: {
      const Value subject = evaluate(*expression.children[0]);
      line_ = expression.line;
      return attribute(subject, expression.name);
    }
    case Kind::item: {
      const Value subject = evaluate(*expression.children[0]);
      const Value key = evaluate(*expression.children[1]);
      line_ = expression.line;
      return item(subject, key);
    }
    case Kind::slice:
      return evaluate_slice(expression);
    case Kind::call:
      return evaluate_call(expression);
    case Kind::filter:
      return evaluate_filter(expression, nullptr);
    case Kind::test:
      return evaluate_test(expression);
    case Kind::negate:
      return negated(evaluate(*expression.children[0]));
    case Kind::plus: {
      const Value value = evaluate(*expression.children[0]);
      if (value.is_undefined()) refuse("{}", value.why_undefined());
      if (!value.is_number()) refuse("a {} has no sign", type_name(value));
      return value.is_integral() ? Value(value.integer()) : value;
    }
    case Kind::logical_not:
      return Value(!is_true(evaluate(*expression.children[0])));
    case Kind::logical_and: {
      Value left = evaluate(*expression.children[0]);
      return is_true(left) ? evaluate(*expression.children[1]) : left;
    }
    case Kind::logical_or: {
      Value left = evaluate(*expression.children[0]);
      return is_true(left) ? left : evaluate(*expression.children[1]);
    }
    case Kind::arithmetic: {
      const Value left = evaluate(*expression.children[0]);
      const Value right = evaluate(*expression.children[1]);
      line_ = expression.line;
      return arithmetic(expression.operators[0], left, right, *this);
    }
    case Kind::compare:
      return evaluate_compare(expression);
    case Kind::concatenate:
      return evaluate_concatenation(expression);
    case Kind::conditional:
      return evaluate_conditional(expression);
  }
  return {};
}

Value Runtime::evaluate_name(const Expression& expression) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    budget.charge(1);
    const auto found = scope->variables.find(expression.name);
    if (found != scope->variables.end()) return found->second;
  }
  return Value::undefined(fmt::format("'{}' is undefined", expression.name));
}

Value Runtime::evaluate_sequence(const Expression& expression) {
  Values items;
  items.reserve(expression.children.size());
  for (const ExpressionPtr& child : expression.children) items.push_back(evaluate(*child));
  budget.charge_items(items.size());
  return expression.kind == Kind::list ? Value::list(std::move(items))
                                       : Value::tuple(std::move(items));
}

Value Runtime::evaluate_dict(const Expression& expression) {
  Entries entries;
  for (size_t i = 0; i + 1 < expression.children.size(); i += 2) {
    Value key = evaluate(*expression.children[i]);
    Value value = evaluate(*expression.children[i + 1]);
    set_entry(entries, std::move(key), std::move(value), budget);
  }
  return Value::dict(std::move(entries));
}

Value Runtime::evaluate_slice(const Expression& expression) {
  const Value subject = evaluate(*expression.children[0]);
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (expression.children[i + 1]) bounds[i] = evaluate(*expression.children[i + 1]);
  }
  line_ = expression.line;
  return slice(subject, bounds[0], bounds[1], bounds[2]);
}

CallArguments Runtime::evaluate_arguments(const Expression& expression) {
  CallArguments arguments;
  for (size_t i = 1; i < expression.children.size(); ++i) {
    arguments.positional.push_back(evaluate(*expression.children[i]));
  }
  for (const auto& [name, value] : expression.keywords) {
    arguments.keywords.emplace_back(name, evaluate(*value));
  }
  if (expression.spread) {
    for (Value& value : iterate(evaluate(*expression.spread))) {
      arguments.positional.push_back(std::move(value));
    }
  }
  if (expression.spread_keywords) {
    const Value spread = evaluate(*expression.spread_keywords);
    if (!spread.is(Value::Kind::dict)) {
      refuse("** needs a dict in a call, not a {}", type_name(spread));
    }
    for (const auto& [key, value] : spread.entries()) {
      if (!key.is_string()) refuse("** needs a dict with strings as keys");
      for (const auto& known : arguments.keywords) {
        budget.charge(1);
        if (known.first == key.text().bytes()) refuse("two values for '{}'", known.first);
      }
      arguments.keywords.emplace_back(key.text().bytes(), value);
    }
  }
  return arguments;
}

Value Runtime::evaluate_call(const Expression& expression, const Value* caller) {
  const Value callee = evaluate(*expression.children[0]);
  CallArguments arguments = evaluate_arguments(expression);
  if (caller != nullptr) {
    for (const auto& known : arguments.keywords) {
      if (known.first == "caller") refuse("{{% call %}} already passes a caller");
    }
    arguments.keywords.emplace_back("caller", *caller);
  }
  line_ = expression.line;
  return call(callee, arguments);
}

Value Runtime::call(const Value& callee, CallArguments& arguments) {
  switch (callee.kind()) {
    case Value::Kind::macro:
      return call_macro(callee.macro(), arguments);
    case Value::Kind::function:
      return callee.function().call(*this, arguments);
    case Value::Kind::undefined:
      refuse("{}", callee.why_undefined());
    default:
      refuse("a {} cannot be called", type_name(callee));
  }
}

Value Runtime::evaluate_filter(const Expression& expression, const Value* subject) {
  // In {% filter a|b %} and {% set x | a|b %} the innermost filter has no operand.
  const Expression* operand = expression.children[0].get();
  const Value input = operand == nullptr ? *subject
                      : subject != nullptr && operand->kind == Kind::filter
                          ? evaluate_filter(*operand, subject)
                          : evaluate(*operand);
  CallArguments arguments = evaluate_arguments(expression);
  line_ = expression.line;
  return filter(expression.name, input, arguments);
}

Value Runtime::filter(const std::string& name, const Value& subject, CallArguments& arguments) {
  Filter found = find_filter(name);
  if (found == nullptr) found = find_sequence_filter(name);
  if (found == nullptr) refuse("there is no filter '{}' in this version", name);
  return found(*this, subject, arguments);
}

Value Runtime::evaluate_test(const Expression& expression) {
  const Value subject = evaluate(*expression.children[0]);
  CallArguments arguments = evaluate_arguments(expression);
  line_ = expression.line;
  return Value(test(expression.name, subject, arguments));
}

bool Runtime::test(const std::string& name, const Value& subject, CallArguments& arguments) {
  const Test found = find_test(name);
  if (found == nullptr) refuse("there is no test '{}' in this version", name);
  return found(*this, subject, arguments);
}

Value Runtime::evaluate_compare(const Expression& expression) {
  Value left = evaluate(*expression.children[0]);
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = evaluate(*expression.children[i + 1]);
    line_ = expression.line;
    bool holds = false;
    const Operator op = expression.operators[i];
    switch (op) {
      case Operator::equal:
        holds = equal(left, right, budget);
        break;
      case Operator::not_equal:
        holds = !equal(left, right, budget);
        break;
      case Operator::in:
        holds = contains(right, left, *this);
        break;
      case Operator::not_in:
        holds = !contains(right, left, *this);
        break;
      default: {
        const int order = compare(left, right, budget);
        holds = order != 2 && (op == Operator::less            ? order < 0
                               : op == Operator::less_equal    ? order <= 0
                               : op == Operator::greater_equal ? order >= 0
                                                               : order > 0);
      }
    }
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Runtime::evaluate_concatenation(const Expression& expression) {
  std::vector<Text> parts;
  size_t size = 0;
  for (const ExpressionPtr& child : expression.children) {
    parts.push_back(print(evaluate(*child)));
    size += parts.back().size();
    if (size > Budget::kMaxText) break;
  }
  budget.charge_text(size);
  Text text;
  text.reserve(size);
  for (const Text& part : parts) text.append(part);
  return Value(std::move(text));
}

Value Runtime::evaluate_conditional(const Expression& expression) {
  if (is_true(evaluate(*expression.children[0]))) return evaluate(*expression.children[1]);
  if (expression.children[2]) return evaluate(*expression.children[2]);
  return Value::undefined(
      fmt::format("the inline if on line {} was false and has no else", expression.line));
}

Value Runtime::generator(std::function<Values()> produce, const Value& source) {
  return Value(std::make_shared<GeneratorObject>(
      GeneratorObject{std::move(produce), source.depth() + 1, {}, 0}));
}

Values Runtime::iterate(const Value& value) {
  Values items;
  switch (value.kind()) {
    case Value::Kind::undefined:
      return {};
    case Value::Kind::list:
    case Value::Kind::tuple:
      budget.charge_items(value.items().size());
      return value.items();
    case Value::Kind::string: {
      const Text& text = value.text();
      budget.charge_items(text.size());
      budget.charge(text.size() * 64);
      for (size_t i = 0; i < text.size();) {
        const size_t length = character_at(text.bytes(), i).length;
        items.emplace_back(text.range(i, i + length));
        i += length;
      }
      return items;
    }
    case Value::Kind::dict:
      budget.charge_items(value.entries().size());
      for (const auto& entry : value.entries()) items.push_back(entry.first);
      return items;
    case Value::Kind::view: {
      const ViewObject& view = value.view();
      budget.charge_items(view.dict.entries().size());
      for (const auto& [key, item] : view.dict.entries()) {
        items.push_back(view.part == ViewObject::Part::keys     ? key
                        : view.part == ViewObject::Part::values ? item
                                                                : Value::tuple({key, item}));
      }
      return items;
    }
    case Value::Kind::range: {
      const RangeObject& range = value.range();
      const int64_t length = range.length();
      budget.charge_items(static_cast<size_t>(length));
      for (int64_t i = 0; i < length; ++i) items.emplace_back(range.start + i * range.step);
      return items;
    }
    case Value::Kind::generator: {
      GeneratorObject& generator = value.generator();
      if (generator.produce) {
        const auto produce = std::exchange(generator.produce, nullptr);
        const DepthGuard guard(depth_, kMaxEvaluationDepth);
        generator.items = produce();
      }
      items.assign(std::make_move_iterator(generator.items.begin() +
                                           static_cast<std::ptrdiff_t>(generator.position)),
                   std::make_move_iterator(generator.items.end()));
      generator.items.clear();
      generator.position = 0;
      return items;
    }
    default:
      refuse("a {} cannot be iterated over", type_name(value));
  }
}

}  // namespace lazyllm::jinja
