// SPDX-License-Identifier: Apache-2.0
// "..." % values and "...".format(): the common part of Python's formatting.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja_interpreter.h"
#include "text/jinja_unicode.h"

namespace lazyllm::text::jinja {
namespace {

constexpr int64_t kMaxWidth = 100000;

/// [[fill]align][sign][#][0][width][,][.precision][type]
struct Specification {
  std::string fill = std::string(1, ' ');
  char align = 0, sign = 0, type = 0;
  bool alternate = false, grouped = false;
  int64_t width = 0, precision = -1;
};

int64_t read_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = number * 10 + (text[at++] - '0');
    if (number > kMaxWidth) refuse("a width or precision is over {}", kMaxWidth);
  }
  return number;
}

Specification parse_specification(std::string_view text) {
  Specification result;
  size_t at = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!text.empty()) {
    const size_t length = character_at(text, 0).length;
    if (length < text.size() && is_align(text[length])) {
      result.fill = text.substr(0, length);
      result.align = text[length];
      at = length + 1;
    } else if (is_align(text[0])) {
      result.align = text[at++];
    }
  }
  const auto take = [&](char c) {
    return at < text.size() && text[at] == c ? (++at, true) : false;
  };
  if (take('+')) {
    result.sign = '+';
  } else if (take(' ')) {
    result.sign = ' ';
  } else {
    take('-');
  }
  result.alternate = take('#');
  if (take('0') && result.align == 0) {
    result.fill.assign(1, '0');
    result.align = '=';
  }
  result.width = read_number(text, at);
  result.grouped = take(',');
  if (take('.')) {
    const size_t before = at;
    result.precision = read_number(text, at);
    if (at == before) refuse("a format lacks its precision");
  }
  if (at < text.size()) result.type = text[at++];
  if (at < text.size()) refuse("the format '{}' is not supported", text);
  return result;
}

std::string grouped(const std::string& digits) {
  const size_t point = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (size_t i = 0; i < point; ++i) {
    if (i > 0 && (point - i) % 3 == 0) out.push_back(',');
    out.push_back(digits[i]);
  }
  return out + digits.substr(point);
}

/// The digits of a number without its sign.
std::string digits_of(const Value& value, const Specification& spec) {
  if (value.is_integral() &&
      std::string_view("eEfFgG%").find(spec.type) == std::string_view::npos) {
    const int64_t number = value.integer();
    const uint64_t size =
        number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
    switch (spec.type) {
      case 0:
      case 'd':
      case 'n':
      case 'i':
      case 'u':
        return std::to_string(size);
      case 'x':
        return fmt::format("{}{:x}", spec.alternate ? "0x" : "", size);
      case 'X':
        return fmt::format("{}{:X}", spec.alternate ? "0X" : "", size);
      case 'o':
        return fmt::format("{}{:o}", spec.alternate ? "0o" : "", size);
      case 'b':
        return fmt::format("{}{:b}", spec.alternate ? "0b" : "", size);
      default:
        refuse("the format '{}' does not fit an int", spec.type);
    }
  }
  const double size = std::fabs(value.number());
  if (spec.precision > 400) refuse("a precision is over 400");
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  if (!std::isfinite(size)) return std::isnan(size) ? "nan" : "inf";
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", size, precision);
    case 'e':
      return fmt::format("{:.{}e}", size, precision);
    case 'E':
      return fmt::format("{:.{}E}", size, precision);
    case 'g':
      return fmt::format("{:.{}g}", size, std::max(precision, 1));
    case 'G':
      return fmt::format("{:.{}G}", size, std::max(precision, 1));
    case '%':
      return fmt::format("{:.{}f}%", size * 100, precision);
    case 0: {
      if (spec.precision < 0) return representation_of(size);
      std::string digits = fmt::format("{:.{}g}", size, std::max(precision, 1));
      if (digits.find_first_not_of("0123456789") == std::string::npos) digits += ".0";
      return digits;
    }
    default:
      refuse("the format '{}' does not fit a float", spec.type);
  }
}

void pad(Text& out, const Text& body, const Specification& spec, char align, size_t sign_length,
         Budget& budget) {
  const auto length = static_cast<int64_t>(count_characters(body.bytes()));
  const auto missing = static_cast<size_t>(std::max<int64_t>(spec.width - length, 0));
  budget.charge_text(body.size() + missing * spec.fill.size());
  const size_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const auto fill = [&](size_t count) {
    for (size_t i = 0; i < count; ++i) out.append(spec.fill, true);
  };
  if (align == '=') {
    out.append_range(body, 0, sign_length);
    fill(missing);
    out.append_range(body, sign_length, body.size());
    return;
  }
  fill(before);
  out.append(body);
  fill(missing - before);
}

void format_number(Text& out, const Value& value, const Specification& spec, Budget& budget) {
  const bool negative = value.is_integral() ? value.integer() < 0 : std::signbit(value.number());
  std::string digits = digits_of(value, spec);
  if (spec.grouped) digits = grouped(digits);
  std::string sign;
  if (negative) {
    sign.push_back('-');
  } else if (spec.sign != 0) {
    sign.push_back(spec.sign);
  }
  pad(out, Text(sign + digits, true), spec, spec.align == 0 ? '>' : spec.align, sign.size(),
      budget);
}

void format_text(Text& out, Text text, const Specification& spec, char align, Budget& budget) {
  budget.charge_text(text.size());
  if (spec.precision >= 0) {
    text = text.range(0, byte_of_character(text.bytes(), static_cast<size_t>(spec.precision)));
  }
  pad(out, text, spec, align, 0, budget);
}

void format_value(Text& out, const Value& value, const Text& specification, Runtime& runtime) {
  const Specification spec = parse_specification(specification.bytes());
  const bool as_number =
      value.is_number() && !(value.is(Value::Kind::boolean) && specification.empty());
  if (as_number) return format_number(out, value, spec, runtime.budget);
  if (!value.is_string() && !specification.empty() && !value.is_undefined()) {
    refuse("a {} takes no format", type_name(value));
  }
  if (spec.type != 0 && spec.type != 's') refuse("the format '{}' does not fit a str", spec.type);
  if (spec.align == '=' || spec.sign != 0 || spec.grouped) refuse("this format needs a number");
  format_text(out, runtime.print(value), spec, spec.align == 0 ? '<' : spec.align, runtime.budget);
}

Text ascii_or_text(const Value& value, char conversion, Runtime& runtime) {
  if (conversion == 'r') return representation(value, runtime.budget);
  if (conversion != 's') refuse("the conversion '{}' is not supported", conversion);
  return runtime.print(value);
}

class BraceFormatter {
 public:
  BraceFormatter(CallArguments& arguments, Runtime& runtime)
      : arguments_(arguments), runtime_(runtime) {}

  Text run(const Text& format, int level) {
    if (level > 1) refuse("format fields nest too deep");
    const std::string& bytes = format.bytes();
    Text out;
    for (size_t i = 0; i < bytes.size();) {
      const char c = bytes[i];
      if ((c == '{' || c == '}') && i + 1 < bytes.size() && bytes[i + 1] == c && level == 0) {
        out.append_range(format, i, i + 1);
        i += 2;
      } else if (c == '{') {
        i = field(format, i + 1, out, level);
      } else if (c == '}') {
        refuse("a format has a lone '}}'");
      } else {
        out.append_range(format, i, i + 1);
        ++i;
      }
      runtime_.budget.charge(1);
    }
    return out;
  }

 private:
  /// Returns the byte behind the field's brace.
  size_t field(const Text& format, size_t begin, Text& out, int level) {
    const std::string& bytes = format.bytes();
    int open = 1;
    size_t end = begin;
    for (; end < bytes.size(); ++end) {
      if (bytes[end] == '{') ++open;
      if (bytes[end] == '}' && --open == 0) break;
    }
    if (end >= bytes.size()) refuse("a format lacks a '}}'");
    runtime_.budget.charge(end - begin);
    size_t name_end = begin;
    bool in_index = false;
    while (name_end < end && (in_index || (bytes[name_end] != ':' && bytes[name_end] != '!'))) {
      if (bytes[name_end] == '[') in_index = true;
      if (bytes[name_end] == ']') in_index = false;
      ++name_end;
    }
    Value value = look_up(std::string_view(bytes).substr(begin, name_end - begin));
    size_t at = name_end;
    if (at < end && bytes[at] == '!') {
      if (at + 1 >= end) refuse("a format lacks its conversion");
      value = Value(ascii_or_text(value, bytes[at + 1], runtime_));
      at += 2;
      if (at < end && bytes[at] != ':') refuse("a format expects ':' behind the conversion");
    }
    Text specification;
    if (at < end) specification = run(format.range(at + 1, end), level + 1);
    if (out.size() > Budget::kMaxText) refuse("a formatted text is too large");
    format_value(out, value, specification, runtime_);
    return end + 1;
  }

  Value look_up(std::string_view path) {
    const size_t name_end = std::min(path.find_first_of(".["), path.size());
    const std::string_view name = path.substr(0, name_end);
    Value value;
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) {
      size_t at = 0;
      size_t index = 0;
      if (name.empty()) {
        if (manual_) refuse("a format mixes numbered and automatic fields");
        automatic_ = true;
        index = next_++;
      } else {
        if (automatic_) refuse("a format mixes numbered and automatic fields");
        manual_ = true;
        index = static_cast<size_t>(read_number(name, at));
        if (at < name.size()) refuse("a format has a bad field '{}'", name);
      }
      if (index >= arguments_.positional.size()) refuse("a format has no value {}", index);
      value = arguments_.positional[index];
    } else {
      const auto found = std::find_if(arguments_.keywords.begin(), arguments_.keywords.end(),
                                      [&](const auto& entry) { return entry.first == name; });
      if (found == arguments_.keywords.end()) refuse("a format has no value '{}'", name);
      value = found->second;
    }
    for (size_t at = name_end; at < path.size();) {
      if (path[at] == '.') {
        const size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        if (end == at + 1) refuse("a format has an empty attribute");
        value = runtime_.attribute(value, std::string(path.substr(at + 1, end - at - 1)));
        at = end;
      } else {
        const size_t end = path.find(']', at);
        if (path[at] != '[' || end == std::string_view::npos || end == at + 1) {
          refuse("a format has a bad index");
        }
        const std::string_view key = path.substr(at + 1, end - at - 1);
        const bool is_index = key.find_first_not_of("0123456789") == std::string_view::npos;
        size_t digit = 0;
        value =
            runtime_.item(value, is_index ? Value(read_number(key, digit)) : Value::literal(key));
        at = end + 1;
      }
    }
    return value;
  }

  CallArguments& arguments_;
  Runtime& runtime_;
  size_t next_ = 0;
  bool automatic_ = false, manual_ = false;
};

}  // namespace

Text format_braces(const Text& format, CallArguments& arguments, Runtime& runtime) {
  return BraceFormatter(arguments, runtime).run(format, 0);
}

Text format_percent(const Text& format, const Value& values, Runtime& runtime) {
  const std::string& bytes = format.bytes();
  Text out;
  size_t used = 0;
  const bool is_tuple = values.is(Value::Kind::tuple);
  const auto next = [&]() -> Value {
    if (is_tuple ? used >= values.items().size() : used > 0) refuse("too few values for a format");
    ++used;
    return is_tuple ? values.items()[used - 1] : values;
  };
  for (size_t i = 0; i < bytes.size();) {
    if (out.size() > Budget::kMaxText) refuse("a formatted text is too large");
    runtime.budget.charge(1);
    if (bytes[i] != '%') {
      const size_t end = std::min(bytes.find('%', i), bytes.size());
      runtime.budget.charge_text(end - i);
      out.append_range(format, i, end);
      i = end;
      continue;
    }
    ++i;
    std::optional<Value> named;
    if (i < bytes.size() && bytes[i] == '(') {
      const size_t end = bytes.find(')', i);
      if (end == std::string::npos) refuse("a format lacks a ')'");
      if (!values.is(Value::Kind::dict)) refuse("a format with names needs a dict");
      const Value* found =
          find_entry(values.entries(), Value(format.range(i + 1, end)), runtime.budget);
      if (found == nullptr) refuse("a format has no value '{}'", bytes.substr(i + 1, end - i - 1));
      named = *found;
      i = end + 1;
    }
    Specification spec;
    bool zero = false, left = false;
    for (; i < bytes.size() && std::string_view("-+ #0").find(bytes[i]) != std::string_view::npos;
         ++i) {
      zero = zero || bytes[i] == '0';
      left = left || bytes[i] == '-';
      spec.alternate = spec.alternate || bytes[i] == '#';
      if (bytes[i] == '+' || (bytes[i] == ' ' && spec.sign == 0)) spec.sign = bytes[i];
    }
    spec.width = read_number(bytes, i);
    if (i < bytes.size() && bytes[i] == '.') {
      ++i;
      spec.precision = read_number(bytes, i);
    }
    if (i >= bytes.size()) refuse("a format ends in the middle");
    const char type = bytes[i++];
    if (type == '%') {
      out.append("%", format.origin_at(i - 1));
      continue;
    }
    const Value value = named ? *named : next();
    if (type == 's' || type == 'r') {
      format_text(out, ascii_or_text(value, type, runtime), spec, left ? '<' : '>', runtime.budget);
      continue;
    }
    if (std::string_view("diuxXoeEfFgG").find(type) == std::string_view::npos) {
      refuse("the format '%{}' is not supported", type);
    }
    if (!value.is_number()) refuse("%{} needs a number, not a {}", type, type_name(value));
    spec.type = type;
    if (zero && !left) spec.fill.assign(1, '0');
    spec.align = left ? '<' : zero ? '=' : '>';
    const bool to_int = std::string_view("diu").find(type) != std::string_view::npos;
    if (to_int && value.is(Value::Kind::real)) {
      if (!(std::fabs(value.number()) < 9.2e18)) refuse("a number does not fit into an integer");
      format_number(out, Value(static_cast<int64_t>(value.number())), spec, runtime.budget);
    } else if (std::string_view("xXo").find(type) != std::string_view::npos &&
               value.is(Value::Kind::real)) {
      refuse("%{} needs an int", type);
    } else {
      format_number(out, value, spec, runtime.budget);
    }
  }
  const bool all_used = is_tuple ? used == values.items().size()
                                 : used > 0 || values.is(Value::Kind::dict) ||
                                       values.is(Value::Kind::list) ||
                                       values.is(Value::Kind::range) || values.is_undefined();
  if (!all_used) refuse("a format does not use all values");
  return out;
}

}  // namespace lazyllm::text::jinja
