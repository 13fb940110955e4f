// SPDX-License-Identifier: Apache-2.0
// `value is name(arguments)`.
#include <algorithm>
#include <iterator>
#include <utility>

#include "jinja/interpreter.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

using Operator = Expression::Operator;

const Value& argument(CallArguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.keywords.empty()) {
    refuse("this test takes one argument");
  }
  return arguments.positional[0];
}

void no_argument(CallArguments& arguments) {
  if (!arguments.positional.empty() || !arguments.keywords.empty()) {
    refuse("this test takes no argument");
  }
}

template <Value::Kind... kinds>
bool of_kind(Runtime&, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  return (value.is(kinds) || ...);
}

template <bool wanted>
bool is_boolean(Runtime&, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  return value.is(Value::Kind::boolean) && value.boolean() == wanted;
}

bool is_defined(Runtime&, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  return !value.is_undefined();
}

bool is_iterable(Runtime&, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  switch (value.kind()) {
    case Value::Kind::undefined:
    case Value::Kind::string:
    case Value::Kind::list:
    case Value::Kind::tuple:
    case Value::Kind::dict:
    case Value::Kind::range:
    case Value::Kind::view:
    case Value::Kind::generator:
    case Value::Kind::loop:
      return true;
    default:
      return false;
  }
}

bool is_sequence(Runtime& runtime, const Value& value, CallArguments& arguments) {
  return is_iterable(runtime, value, arguments) && !value.is(Value::Kind::view) &&
         !value.is(Value::Kind::generator) && !value.is(Value::Kind::loop);
}

Value remainder(Runtime& runtime, const Value& value, const Value& divisor) {
  return arithmetic(Operator::modulo, value, divisor, runtime);
}

template <int64_t wanted>
bool has_parity(Runtime& runtime, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  return equal(remainder(runtime, value, Value(int64_t{2})), Value(wanted), runtime.budget);
}

bool is_divisible(Runtime& runtime, const Value& value, CallArguments& arguments) {
  const auto bound = arguments.bind("divisibleby", {"num"});
  if (!bound[0]) refuse("divisibleby needs a number");
  return equal(remainder(runtime, value, *bound[0]), Value(int64_t{0}), runtime.budget);
}

template <bool upper>
bool has_case(Runtime& runtime, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  const Text text = runtime.print(value);
  runtime.budget.charge(text.size());
  bool any = false;
  for (size_t i = 0; i < text.size();) {
    const Character character = character_at(text.bytes(), i);
    if (upper ? is_lower(character.code) : is_upper(character.code)) return false;
    any = any || is_cased(character.code);
    i += character.length;
  }
  return any;
}

bool is_same(Runtime&, const Value& value, CallArguments& arguments) {
  return value.same_as(argument(arguments));
}

bool is_filter(Runtime&, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  if (!value.is_hashable()) refuse("unhashable type: '{}'", type_name(value));
  return value.is_string() && (find_filter(value.text().bytes()) != nullptr ||
                               find_sequence_filter(value.text().bytes()) != nullptr);
}

bool is_test(Runtime&, const Value& value, CallArguments& arguments) {
  no_argument(arguments);
  if (!value.is_hashable()) refuse("unhashable type: '{}'", type_name(value));
  return value.is_string() && find_test(value.text().bytes()) != nullptr;
}

bool is_in(Runtime& runtime, const Value& value, CallArguments& arguments) {
  return contains(argument(arguments), value, runtime);
}

template <bool wanted>
bool is_equal(Runtime& runtime, const Value& value, CallArguments& arguments) {
  return equal(value, argument(arguments), runtime.budget) == wanted;
}

template <Operator op>
bool is_ordered(Runtime& runtime, const Value& value, CallArguments& arguments) {
  const int order = compare(value, argument(arguments), runtime.budget);
  if (order == 2) return false;
  return op == Operator::less         ? order < 0
         : op == Operator::less_equal ? order <= 0
         : op == Operator::greater    ? order > 0
                                      : order >= 0;
}

using Kind = Value::Kind;
constexpr std::pair<std::string_view, Test> kTests[] = {
    {"odd", has_parity<1>},
    {"even", has_parity<0>},
    {"divisibleby", is_divisible},
    {"defined", is_defined},
    {"undefined", of_kind<Kind::undefined>},
    {"filter", is_filter},
    {"test", is_test},
    {"none", of_kind<Kind::none>},
    {"boolean", of_kind<Kind::boolean>},
    {"false", is_boolean<false>},
    {"true", is_boolean<true>},
    {"integer", of_kind<Kind::integer>},
    {"float", of_kind<Kind::real>},
    {"lower", has_case<false>},
    {"upper", has_case<true>},
    {"string", of_kind<Kind::string>},
    {"mapping", of_kind<Kind::dict>},
    {"number", of_kind<Kind::boolean, Kind::integer, Kind::real>},
    {"sequence", is_sequence},
    {"iterable", is_iterable},
    {"callable", of_kind<Kind::function, Kind::macro, Kind::undefined>},
    {"sameas", is_same},
    {"in", is_in},
    {"==", is_equal<true>},
    {"eq", is_equal<true>},
    {"equalto", is_equal<true>},
    {"!=", is_equal<false>},
    {"ne", is_equal<false>},
    {">", is_ordered<Operator::greater>},
    {"gt", is_ordered<Operator::greater>},
    {"greaterthan", is_ordered<Operator::greater>},
    {">=", is_ordered<Operator::greater_equal>},
    {"ge", is_ordered<Operator::greater_equal>},
    {"<", is_ordered<Operator::less>},
    {"lt", is_ordered<Operator::less>},
    {"lessthan", is_ordered<Operator::less>},
    {"<=", is_ordered<Operator::less_equal>},
    {"le", is_ordered<Operator::less_equal>},
};

}  // namespace

Test find_test(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTests), std::end(kTests),
                                   [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kTests) ? nullptr : found->second;
}

}  // namespace lazyllm::jinja
