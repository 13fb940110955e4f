// SPDX-License-Identifier: Apache-2.0
// Python's str() and repr().
#include <charconv>
#include <cmath>

#include "jinja/interpreter.h"
#include "jinja/loop.h"
#include "jinja/unicode.h"
#include "jinja/value.h"

namespace lazyllm::jinja {
namespace {

/// Writes into `out`; what is not from a string gets the mark `from_template`.
class Printer {
 public:
  Printer(Budget& budget, bool from_template) : budget_(budget), from_template_(from_template) {}

  void print(const Value& value) {
    const DepthGuard guard(depth_, kMaxValueDepth + 1);
    switch (value.kind()) {
      case Value::Kind::string:
        return quote(value.text());
      case Value::Kind::list:
        return sequence("[", value.items(), "]");
      case Value::Kind::tuple:
        return sequence("(", value.items(), value.items().size() == 1 ? ",)" : ")");
      case Value::Kind::dict:
        return dict(value.entries());
      case Value::Kind::view:
        return view(value.view());
      case Value::Kind::name_space:
        return name_space(value.name_space());
      default:
        return put(scalar(value));
    }
  }

  Text out;

  static std::string scalar(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::undefined:
        return "Undefined";
      case Value::Kind::none:
        return "None";
      case Value::Kind::boolean:
        return value.boolean() ? "True" : "False";
      case Value::Kind::integer:
        return std::to_string(value.integer());
      case Value::Kind::real:
        if (const std::string* spelling = value.spelling()) return *spelling;
        return representation_of(value.number());
      case Value::Kind::range: {
        const RangeObject& range = value.range();
        return range.step == 1
                   ? fmt::format("range({}, {})", range.start, range.stop)
                   : fmt::format("range({}, {}, {})", range.start, range.stop, range.step);
      }
      case Value::Kind::macro:
        return fmt::format("<Macro '{}'>", value.macro().name);
      case Value::Kind::loop:
        return fmt::format("<LoopContext {}/{}>", value.loop().index0() + 1, value.loop().length());
      case Value::Kind::function:
        return fmt::format("<function {}>", value.function().name);
      default:
        return fmt::format("<{}>", type_name(value));
    }
  }

 private:
  void put(std::string_view bytes) {
    budget_.charge_text(out.size() + bytes.size() > Budget::kMaxText ? Budget::kMaxText + 1
                                                                     : bytes.size());
    out.append(bytes, from_template_);
  }

  void sequence(std::string_view open, const Values& items, std::string_view close) {
    put(open);
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) put(", ");
      print(items[i]);
    }
    put(close);
  }

  void dict(const Entries& entries) {
    put("{");
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) put(", ");
      print(entries[i].first);
      put(": ");
      print(entries[i].second);
    }
    put("}");
  }

  void view(const ViewObject& view) {
    put(view.part == ViewObject::Part::keys     ? "dict_keys(["
        : view.part == ViewObject::Part::values ? "dict_values(["
                                                : "dict_items([");
    bool first = true;
    for (const auto& [key, item] : view.dict.entries()) {
      if (!first) put(", ");
      first = false;
      switch (view.part) {
        case ViewObject::Part::keys:
          print(key);
          break;
        case ViewObject::Part::values:
          print(item);
          break;
        case ViewObject::Part::items:
          print(Value::tuple({key, item}));
          break;
      }
    }
    put("])");
  }

  void name_space(const NamespaceObject& object) {
    put("<Namespace {");
    bool first = true;
    for (const auto& [name, item] : object.attributes) {
      put(first ? "'" : ", '");
      first = false;
      put(name);
      put("': ");
      print(item);
    }
    put("}>");
  }

  void quote(const Text& text) {
    const std::string& bytes = text.bytes();
    budget_.charge_text(bytes.size());
    const bool double_quotes =
        bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos;
    const char quote_mark = double_quotes ? '"' : '\'';
    put({&quote_mark, 1});
    for (size_t i = 0; i < bytes.size();) {
      const Character character = character_at(bytes, i);
      const Origin origin = text.origin_at(i);
      if (character.code == static_cast<char32_t>(quote_mark) || character.code == '\\') {
        budget_.charge_text(out.size() + 2 > Budget::kMaxText ? Budget::kMaxText + 1 : 1);
        out.append("\\", origin);
        out.append_range(text, i, i + character.length);
      } else if (is_printable(character.code) || character.code == kInvalidCharacter) {
        out.append_range(text, i, i + character.length);
      } else {
        const std::string escape = escaped(character.code);
        budget_.charge_text(out.size() + 16 > Budget::kMaxText ? Budget::kMaxText + 1 : 8);
        out.append(escape, origin);
      }
      i += character.length;
    }
    put({&quote_mark, 1});
  }

  static std::string escaped(char32_t code) {
    switch (code) {
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      default:
        break;
    }
    const auto number = static_cast<uint32_t>(code);
    if (number < 0x100) return fmt::format("\\x{:02x}", number);
    if (number < 0x10000) return fmt::format("\\u{:04x}", number);
    return fmt::format("\\U{:08x}", number);
  }

  Budget& budget_;
  bool from_template_;
  int depth_ = 0;
};

}  // namespace

std::string representation_of(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  // The shortest digits that read back as the same number, laid out as Python does.
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string_view shortest(buffer, static_cast<size_t>(end - buffer));
  const size_t e = shortest.find('e');
  int exponent = 0;
  const char* exponent_begin = buffer + e + 1 + (shortest[e + 1] == '+' ? 1 : 0);
  std::from_chars(exponent_begin, end, exponent);
  std::string digits;
  for (const char c : shortest.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  const std::string_view sign = buffer[0] == '-' ? "-" : "";
  const std::string_view view = digits;
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}{}{}{}e{}{:02d}", sign, view.substr(0, 1), count > 1 ? "." : "",
                       view.substr(1), exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return fmt::format("{}0.{:0>{}}{}", sign, "", -exponent - 1, view);
  if (count <= exponent + 1) {
    return fmt::format("{}{}{:0>{}}.0", sign, view, "", exponent + 1 - count);
  }
  const auto whole = static_cast<size_t>(exponent + 1);
  return fmt::format("{}{}.{}", sign, view.substr(0, whole), view.substr(whole));
}

Text to_text(const Value& value, Budget& budget) {
  if (value.is_string()) {
    budget.charge_text(value.text().size());
    return value.text();
  }
  if (value.is_undefined()) return {};
  return representation(value, budget);
}

Text representation(const Value& value, Budget& budget) {
  Printer printer(budget, !value.holds_conversation_text());
  printer.print(value);
  return std::move(printer.out);
}

}  // namespace lazyllm::jinja
