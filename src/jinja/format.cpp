// SPDX-License-Identifier: Apache-2.0
// "..." % values and "...".format(): the part of Python's formatting that templates use.
#include <algorithm>
#include <cmath>

#include "jinja/interpreter.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

constexpr int64_t kMaxWidth = 400;

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

int64_t read_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && is_ascii_digit(text[at])) {
    number = number * 10 + (text[at++] - '0');
    if (number > kMaxWidth) refuse("a number in a format is over {}", kMaxWidth);
  }
  return number;
}

std::string formatted_number(const Value& value, char type, int64_t precision) {
  if (!value.is_number()) refuse("%{} needs a number, not a {}", type, type_name(value));
  if (type == 'f') return fmt::format("{:.{}f}", value.number(), precision < 0 ? 6 : precision);
  if (value.is_integral()) return std::to_string(value.integer());
  if (!(std::fabs(value.number()) < 9.2e18)) refuse("a number does not fit into an integer");
  return std::to_string(static_cast<int64_t>(value.number()));
}

}  // namespace

Text format_percent(const Text& format, const Value& values, Runtime& runtime) {
  const std::string& bytes = format.bytes();
  const Values given = values.is(Value::Kind::tuple) ? values.items() : Values{values};
  size_t used = 0;
  Text out;
  for (size_t i = 0; i < bytes.size();) {
    const size_t plain_end = std::min(bytes.find('%', i), bytes.size());
    runtime.budget.charge_text(plain_end - i);
    out.append_range(format, i, plain_end);
    if (plain_end == bytes.size()) break;
    i = plain_end + 1;
    const bool zeros = i < bytes.size() && bytes[i] == '0';
    const auto width = static_cast<size_t>(read_number(bytes, i));
    int64_t precision = -1;
    if (i < bytes.size() && bytes[i] == '.') precision = read_number(bytes, ++i);
    if (i >= bytes.size()) refuse("a format ends in the middle");
    const char type = bytes[i++];
    if (type == '%') {
      out.append("%", format.origin_at(i - 1));
      continue;
    }
    if (std::string_view("sdif").find(type) == std::string_view::npos ||
        (precision >= 0 && type != 'f')) {
      refuse("only %s, %d and %f are supported in a format, not '%{}'", type);
    }
    if (used >= given.size()) refuse("too few values for a format");
    const Value& value = given[used++];
    Text body =
        type == 's' ? runtime.print(value) : Text(formatted_number(value, type, precision), true);
    const size_t length = count_characters(body.bytes());
    const size_t missing = width - std::min(width, length);
    const size_t sign = zeros && type != 's' && body.bytes()[0] == '-' ? 1 : 0;
    runtime.budget.charge_text(body.size() + missing);
    out.append_range(body, 0, sign);
    out.append(std::string(missing, zeros && type != 's' ? '0' : ' '), true);
    out.append_range(body, sign, body.size());
  }
  // A dict or a list without a place for it is let pass, as in Python.
  const bool may_be_left = values.is(Value::Kind::dict) || values.is(Value::Kind::list);
  if (used < given.size() && !may_be_left) refuse("a format has more values than places");
  return out;
}

Text format_braces(const Text& format, CallArguments& arguments, Runtime& runtime) {
  const std::string& bytes = format.bytes();
  size_t next = 0;
  const auto look_up = [&](std::string_view name) -> const Value& {
    if (name.find_first_of(":!.[") != std::string_view::npos) {
      refuse("the field '{{{}}}' of a format is not supported; write {{}} or {{name}}", name);
    }
    if (name.empty() || is_ascii_digit(name[0])) {
      size_t at = 0;
      const size_t index = name.empty() ? next++ : static_cast<size_t>(read_number(name, at));
      if (at < name.size() || index >= arguments.positional.size()) {
        refuse("a format has no value '{}'", name);
      }
      return arguments.positional[index];
    }
    for (const auto& [keyword, value] : arguments.keywords) {
      if (keyword == name) return value;
    }
    refuse("a format has no value '{}'", name);
  };
  Text out;
  for (size_t i = 0; i < bytes.size();) {
    const char c = bytes[i];
    const bool doubled = i + 1 < bytes.size() && bytes[i + 1] == c;
    if (c == '{' && !doubled) {
      const size_t end = bytes.find('}', i);
      if (end == std::string::npos) refuse("a format lacks a '}}'");
      runtime.budget.charge(end - i);
      const Text printed =
          runtime.print(look_up(std::string_view(bytes).substr(i + 1, end - i - 1)));
      runtime.budget.charge_text(
          out.size() + printed.size() > Budget::kMaxText ? Budget::kMaxText + 1 : printed.size());
      out.append(printed);
      i = end + 1;
      continue;
    }
    if (c == '}' && !doubled) refuse("a format has a lone '}}'");
    runtime.budget.charge(1);
    out.append_range(format, i, i + 1);
    i += c == '{' || c == '}' ? 2 : 1;
  }
  return out;
}

}  // namespace lazyllm::jinja
