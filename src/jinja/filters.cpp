// SPDX-License-Identifier: Apache-2.0
// Filters of single values: texts, numbers, defaults.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "jinja/interpreter.h"
#include "jinja/text_ops.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

Text as_text(Runtime& runtime, const std::optional<Value>& value, std::string_view otherwise = {}) {
  return value ? runtime.print(*value) : Text(std::string(otherwise), true);
}

int64_t integer(const std::optional<Value>& value, int64_t otherwise, std::string_view what) {
  if (!value) return otherwise;
  if (!value->is_integral()) refuse("{} needs an int, not a {}", what, type_name(*value));
  return value->integer();
}

template <Case wanted>
Value change_case(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("this filter", {});
  return Value(with_case(runtime.print(subject), wanted, runtime.budget));
}

Value trim(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("trim", {"chars"});
  std::optional<Text> chars;
  if (bound[0] && !bound[0]->is_none()) {
    if (!bound[0]->is_string()) refuse("trim needs a str, not a {}", type_name(*bound[0]));
    chars = bound[0]->text();
  }
  return Value(stripped(runtime.print(subject), chars, true, true, runtime.budget));
}

Value replace(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("replace", {"old", "new", "count"});
  if (!bound[0] || !bound[1]) refuse("replace needs the old and the new text");
  const int64_t count = bound[2] && !bound[2]->is_none() ? integer(bound[2], -1, "replace") : -1;
  return Value(replaced(runtime.print(subject), as_text(runtime, bound[0]),
                        as_text(runtime, bound[1]), count, runtime.budget));
}

Value to_string(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("string", {});
  return Value(runtime.print(subject));
}

Value to_markup(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("safe", {});
  return Value::markup(runtime.print(subject));
}

Value default_value(Runtime&, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("default", {"default_value", "boolean"});
  const bool use = subject.is_undefined() || (flag(bound[1]) && !is_true(subject));
  return use ? bound[0].value_or(Value(Text())) : subject;
}

Value escape(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("escape", {});
  return Value::markup(escaped_text(subject, runtime));
}

Value indent(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("indent", {"width", "first", "blank"});
  if (!subject.is_string()) refuse("indent needs a str, not a {}", type_name(subject));
  Text indention;
  if (bound[0] && bound[0]->is_string()) {
    indention = bound[0]->text();
  } else {
    const int64_t width = std::max<int64_t>(integer(bound[0], 4, "indent"), 0);
    if (width > static_cast<int64_t>(Budget::kMaxText)) refuse("indent: the width is too large");
    runtime.budget.charge_text(static_cast<size_t>(width));
    indention = Text(std::string(static_cast<size_t>(width), ' '), true);
  }
  runtime.budget.charge_text(subject.text().size());
  Text text = subject.text();
  // As jinja2 does: a newline more, so that splitting finds a last empty line.
  text.append("\n", true);
  const std::vector<Text> lines = split_lines(text, false, runtime.budget);
  // The origin of a line break is the safe one: not the template's, unless all is.
  const Text newline("\n", subject.text().all_from_template());
  std::vector<Text> out;
  for (size_t i = 0; i < lines.size(); ++i) {
    Text line;
    if ((i == 0 && flag(bound[1])) || (i > 0 && (flag(bound[2]) || !lines[i].empty()))) {
      runtime.budget.charge_text(indention.size());
      line = indention;
    }
    line.append(lines[i]);
    out.push_back(std::move(line));
  }
  return Value(joined(newline, out, runtime.budget));
}

Value truncate(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("truncate", {"length", "killwords", "end", "leeway"});
  const int64_t length = integer(bound[0], 255, "truncate");
  const Text end = bound[2] ? as_text(runtime, bound[2]) : Text("...", true);
  const int64_t leeway = bound[3] && !bound[3]->is_none() ? integer(bound[3], 5, "truncate") : 5;
  const auto end_length = static_cast<int64_t>(count_characters(end.bytes()));
  if (length < end_length || leeway < 0) refuse("truncate: the length or leeway is too small");
  const std::optional<int64_t> size = length_of(subject, runtime.budget);
  if (!size) refuse("truncate needs a str, not a {}", type_name(subject));
  if (*size <= leeway || *size - leeway <= length) return subject;
  if (!subject.is_string()) refuse("truncate needs a str, not a {}", type_name(subject));
  const Text& text = subject.text();
  runtime.budget.charge_text(text.size());
  Text kept =
      text.range(0, byte_of_character(text.bytes(), static_cast<size_t>(length - end_length)));
  if (!flag(bound[1])) {
    const size_t space = kept.bytes().rfind(' ');
    if (space != std::string::npos) kept = kept.range(0, space);
  }
  kept.append(end);
  return Value(std::move(kept));
}

Value word_count(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("wordcount", {});
  const Text text = runtime.print(subject);
  runtime.budget.charge(text.size());
  int64_t words = 0;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const Character character = character_at(text.bytes(), i);
    const bool word =
        character.code == '_' || is_alphabetic(character.code) || is_numeric(character.code);
    words += word && !inside ? 1 : 0;
    inside = word;
    i += character.length;
  }
  return Value(words);
}

/// Text without the spaces around it and the underscores between digits, or nothing.
std::optional<std::string> plain_number(const Text& text, Budget& budget) {
  const std::string bytes = stripped(text, std::nullopt, true, true, budget).bytes();
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '_') {
      out.push_back(bytes[i]);
      continue;
    }
    const auto digit = [&](size_t at) {
      return at < bytes.size() && std::isalnum(static_cast<unsigned char>(bytes[at])) != 0;
    };
    if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
  }
  return out;
}

std::optional<double> parse_real(const Text& text, Budget& budget) {
  std::optional<std::string> spelled = plain_number(text, budget);
  if (!spelled || spelled->empty()) return std::nullopt;
  std::string_view digits = *spelled;
  if (digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || digits[0] == '+' || (digits[0] == '-' && spelled->at(0) == '+') ||
      digits.find('(') != std::string_view::npos) {
    return std::nullopt;
  }
  double value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (result.ptr != digits.data() + digits.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) {
    value = std::strtod(std::string(digits).c_str(), nullptr);
  } else if (result.ec != std::errc()) {
    return std::nullopt;
  }
  return value;
}

std::optional<int64_t> parse_integer(const Text& text, int64_t base, Budget& budget) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  std::optional<std::string> spelled = plain_number(text, budget);
  if (!spelled) return std::nullopt;
  std::string digits = *spelled;
  bool negative = false;
  if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) {
    negative = digits[0] == '-';
    digits.erase(0, 1);
  }
  if (digits.size() > 2 && digits[0] == '0') {
    const char mark = static_cast<char>(digits[1] | 0x20);
    const int64_t marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (marked != 0 && (base == marked || base == 0)) {
      base = marked;
      digits.erase(0, 2);
    }
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  if (negative) digits.insert(digits.begin(), '-');
  int64_t value = 0;
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (result.ptr != digits.data() + digits.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) refuse("an integer is over 2^63 - 1");
  if (result.ec != std::errc()) return std::nullopt;
  return value;
}

int64_t truncated(double value) {
  if (!(std::fabs(value) < 9.2e18)) refuse("a number does not fit into an integer");
  return static_cast<int64_t>(value);
}

Value to_integer(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("int", {"default", "base"});
  const Value otherwise = bound[0].value_or(Value(int64_t{0}));
  if (subject.is_undefined()) refuse("{}", subject.why_undefined());
  if (subject.is_integral()) return Value(subject.integer());
  if (subject.is(Value::Kind::real)) {
    if (std::isnan(subject.number())) return otherwise;
    return Value(truncated(subject.number()));
  }
  if (!subject.is_string()) return otherwise;
  const int64_t base = integer(bound[1], 10, "int");
  if (const auto value = parse_integer(subject.text(), base, runtime.budget)) return Value(*value);
  const auto real = parse_real(subject.text(), runtime.budget);
  if (!real || !std::isfinite(*real)) return otherwise;
  return Value(truncated(*real));
}

Value to_real(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("float", {"default"});
  if (subject.is_undefined()) refuse("{}", subject.why_undefined());
  if (subject.is_number()) return Value(subject.number());
  if (subject.is_string()) {
    if (const auto value = parse_real(subject.text(), runtime.budget)) return Value(*value);
  }
  return bound[0].value_or(Value(0.0));
}

Value absolute(Runtime&, const Value& subject, CallArguments& arguments) {
  arguments.bind("abs", {});
  if (subject.is(Value::Kind::real)) return Value(std::fabs(subject.number()));
  if (!subject.is_integral()) refuse("abs needs a number, not a {}", type_name(subject));
  return subject.integer() < 0 ? negated(subject) : Value(subject.integer());
}

double rounded(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < 0) {
    if (precision < -308) return std::copysign(0.0, value);
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / unit) * unit;
  }
  // Printing rounds the exact binary value to even, which is what Python does.
  const std::string digits = fmt::format("{:.{}f}", value, static_cast<int>(precision));
  return std::strtod(digits.c_str(), nullptr);
}

Value round_number(Runtime&, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("round", {"precision", "method"});
  const int64_t precision = integer(bound[0], 0, "round");
  const std::string method = bound[1] && bound[1]->is_string() ? bound[1]->text().bytes()
                             : bound[1]                        ? "?"
                                                               : "common";
  if (method != "common" && method != "ceil" && method != "floor") {
    refuse("round knows the methods common, ceil and floor");
  }
  if (!subject.is_number()) refuse("round needs a number, not a {}", type_name(subject));
  if (method == "common") {
    if (!subject.is_integral()) return Value(rounded(subject.number(), precision));
    if (precision >= 0) return Value(subject.integer());
    if (precision < -18) return Value(int64_t{0});
    int64_t unit = 1;
    for (int64_t i = 0; i > precision; --i) unit *= 10;
    const int64_t value = subject.integer();
    int64_t rest = value % unit;
    if (rest < 0) rest += unit;
    int64_t result = value - rest;
    const bool odd = (result / unit) % 2 != 0;
    if (rest > unit / 2 || (rest == unit / 2 && odd)) {
      if (__builtin_add_overflow(result, unit, &result)) refuse("an integer is over 2^63 - 1");
    }
    return Value(result);
  }
  if (precision > 300 || precision < -300) refuse("round: the precision is too large");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = subject.number() * scale;
  if (!std::isfinite(scaled)) refuse("round: the number is too large");
  const double whole = method == "ceil" ? std::ceil(scaled) : std::floor(scaled);
  return Value((whole == 0 ? 0.0 : whole) / scale);
}

Value format_filter(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  if (!arguments.keywords.empty()) refuse("format takes no names");
  return Value(format_percent(runtime.print(subject), Value::tuple(arguments.positional), runtime));
}

Value attribute_filter(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("attr", {"name"});
  if (!bound[0] || !bound[0]->is_string()) refuse("attr needs a name");
  const std::string& name = bound[0]->text().bytes();
  if (subject.is(Value::Kind::dict)) {
    return method_of(subject, name).value_or(Value::undefined("a dict has no such attribute"));
  }
  return runtime.attribute(subject, name);
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"upper", change_case<Case::upper>},
    {"lower", change_case<Case::lower>},
    {"title", change_case<Case::words>},
    {"capitalize", change_case<Case::capitalized>},
    {"trim", trim},
    {"replace", replace},
    {"string", to_string},
    {"safe", to_markup},
    {"default", default_value},
    {"d", default_value},
    {"escape", escape},
    {"e", escape},
    {"indent", indent},
    {"truncate", truncate},
    {"wordcount", word_count},
    {"int", to_integer},
    {"float", to_real},
    {"abs", absolute},
    {"round", round_number},
    {"format", format_filter},
    {"attr", attribute_filter},
    {"tojson", filter_tojson},
};

}  // namespace

Filter find_filter(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFilters), std::end(kFilters),
                                   [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kFilters) ? nullptr : found->second;
}

}  // namespace lazyllm::jinja
