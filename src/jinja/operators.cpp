// SPDX-License-Identifier: Apache-2.0
// Python's arithmetic and `in`. Integers are 64 bits; what does not fit is refused.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "jinja/interpreter.h"
#include "jinja/search.h"

namespace lazyllm::jinja {
namespace {

using Operator = Expression::Operator;

[[noreturn]] void refuse_size() {
  refuse("an integer grows over 2^63 - 1");
}

int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) refuse_size();
  }
  return result;
}

Value integer_arithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Operator::add:
      if (__builtin_add_overflow(a, b, &result)) refuse_size();
      return Value(result);
    case Operator::subtract:
      if (__builtin_sub_overflow(a, b, &result)) refuse_size();
      return Value(result);
    case Operator::multiply:
      if (__builtin_mul_overflow(a, b, &result)) refuse_size();
      return Value(result);
    case Operator::divide:
      if (b == 0) refuse("division by zero");
      return Value(static_cast<double>(a) / static_cast<double>(b));
    case Operator::floor_divide:
      if (b == 0) refuse("division by zero");
      if (b == -1) return integer_arithmetic(Operator::subtract, 0, a);
      return Value(a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0));
    case Operator::modulo:
      if (b == 0) refuse("division by zero");
      if (b == -1) return Value(int64_t{0});
      result = a % b;
      return Value(result != 0 && (result < 0) != (b < 0) ? result + b : result);
    default:
      if (b >= 0) return Value(integer_power(a, b));
      if (a == 0) refuse("zero has no negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
}

double python_modulo(double a, double b) {
  const double result = std::fmod(a, b);
  if (result == 0) return std::copysign(0.0, b);
  return (result < 0) != (b < 0) ? result + b : result;
}

double python_floor_divide(double a, double b) {
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value real_arithmetic(Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return Value(a + b);
    case Operator::subtract:
      return Value(a - b);
    case Operator::multiply:
      return Value(a * b);
    case Operator::divide:
      if (b == 0) refuse("division by zero");
      return Value(a / b);
    case Operator::floor_divide:
      if (b == 0) refuse("division by zero");
      return Value(python_floor_divide(a, b));
    case Operator::modulo:
      if (b == 0) refuse("division by zero");
      return Value(python_modulo(a, b));
    default: {
      if (a == 0 && b < 0) refuse("zero has no negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && std::floor(b) != b) {
        refuse("complex numbers are not supported");
      }
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
        refuse("a power is too large");
      }
      return Value(result);
    }
  }
}

/// Markup stays markup by escaping what is added to it.
Value joined_markup(const Value& left, const Value& right, Runtime& runtime) {
  Text text = escaped_text(left, runtime);
  const Text more = escaped_text(right, runtime);
  runtime.budget.charge_text(text.size() + more.size());
  text.append(more);
  return Value::markup(std::move(text));
}

Value repeat(const Value& value, int64_t times, Budget& budget) {
  const auto count = static_cast<size_t>(times > 0 ? times : 0);
  const size_t size = value.is_string() ? value.text().size() : value.items().size();
  if (size != 0 && count > Budget::kMaxText / size) {
    refuse("a repetition is over the bound of {} elements", Budget::kMaxText);
  }
  if (value.is_string()) {
    budget.charge_text(size * count);
    Text text;
    text.reserve(size * count);
    for (size_t i = 0; i < count && size > 0; ++i) text.append(value.text());
    return Value(std::move(text));
  }
  budget.charge_items(size * count);
  Values items;
  items.reserve(size * count);
  for (size_t i = 0; i < count && size > 0; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return value.is(Value::Kind::list) ? Value::list(std::move(items))
                                     : Value::tuple(std::move(items));
}

Value joined(const Value& left, const Value& right, Budget& budget) {
  if (left.is_string()) {
    budget.charge_text(left.text().size() + right.text().size());
    Text text;
    text.reserve(left.text().size() + right.text().size());
    text.append(left.text());
    text.append(right.text());
    return Value(std::move(text));
  }
  budget.charge_items(left.items().size() + right.items().size());
  Values items = left.items();
  items.insert(items.end(), right.items().begin(), right.items().end());
  return left.is(Value::Kind::list) ? Value::list(std::move(items))
                                    : Value::tuple(std::move(items));
}

}  // namespace

Value arithmetic(Operator op, const Value& left, const Value& right, Runtime& runtime) {
  if (left.is_number() && right.is_number()) {
    return left.is_integral() && right.is_integral()
               ? integer_arithmetic(op, left.integer(), right.integer())
               : real_arithmetic(op, left.number(), right.number());
  }
  if (op == Operator::modulo && left.is_string()) {
    return Value(format_percent(left.text(), right, runtime));
  }
  if (left.is_undefined()) refuse("{}", left.why_undefined());
  if (right.is_undefined()) refuse("{}", right.why_undefined());
  const auto repeatable = [](const Value& value) {
    return value.is_string() || value.is_sequence();
  };
  if (op == Operator::add && left.is_string() && right.is_string() &&
      (left.is_markup() || right.is_markup())) {
    return joined_markup(left, right, runtime);
  }
  if (op == Operator::add && repeatable(left) && left.kind() == right.kind()) {
    return joined(left, right, runtime.budget);
  }
  if (op == Operator::multiply && repeatable(left) && right.is_integral()) {
    return repeat(left, right.integer(), runtime.budget);
  }
  if (op == Operator::multiply && left.is_integral() && repeatable(right)) {
    return repeat(right, left.integer(), runtime.budget);
  }
  if (op == Operator::add && (left.is_string() || right.is_string())) {
    refuse("cannot add a {} and a {}; join texts with ~", type_name(left), type_name(right));
  }
  refuse("cannot compute with a {} and a {}", type_name(left), type_name(right));
}

Text escaped_text(const Value& value, Runtime& runtime) {
  const Text text = runtime.print(value);
  if (value.is_markup()) return text;
  static constexpr std::pair<char, std::string_view> kEntities[] = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\'', "&#39;"}, {'"', "&#34;"}};
  runtime.budget.charge_text(text.size() * 5);
  Text out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto* entity = std::find_if(std::begin(kEntities), std::end(kEntities),
                                      [&](const auto& e) { return e.first == text.bytes()[i]; });
    if (entity == std::end(kEntities)) {
      out.append_range(text, i, i + 1);
    } else {
      out.append(entity->second, text.origin_at(i));
    }
  }
  return out;
}

Value negated(const Value& value) {
  if (value.is_undefined()) refuse("{}", value.why_undefined());
  if (value.is(Value::Kind::real)) return Value(-value.number());
  if (!value.is_integral()) refuse("a {} has no sign", type_name(value));
  return integer_arithmetic(Operator::subtract, 0, value.integer());
}

bool contains(const Value& container, const Value& element, Runtime& runtime) {
  if (container.is_string()) {
    if (!element.is_string()) {
      refuse("only a str can be 'in' a str, not a {}", type_name(element));
    }
    return find_bytes(container.text().bytes(), element.text().bytes(), 0, runtime.budget) !=
           std::string::npos;
  }
  const bool by_key =
      container.is(Value::Kind::dict) ||
      (container.is(Value::Kind::view) && container.view().part == ViewObject::Part::keys);
  if (by_key) {
    if (!element.is_hashable()) refuse("unhashable type: '{}'", type_name(element));
    const Value& dict = container.is(Value::Kind::dict) ? container : container.view().dict;
    return find_entry(dict.entries(), element, runtime.budget) != nullptr;
  }
  if (container.is_sequence()) {
    runtime.budget.charge(container.items().size());
    for (const Value& item : container.items()) {
      if (equal(item, element, runtime.budget)) return true;
    }
    return false;
  }
  for (const Value& item : runtime.iterate(container)) {
    if (equal(item, element, runtime.budget)) return true;
  }
  return false;
}

}  // namespace lazyllm::jinja
