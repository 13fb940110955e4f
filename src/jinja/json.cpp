// SPDX-License-Identifier: Apache-2.0
// The tojson filter, as transformers defines it: json.dumps, not HTML-safe.
#include <algorithm>
#include <cmath>

#include "jinja/interpreter.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

struct JsonStyle {
  bool ascii = false, sort_keys = false;
  std::optional<Text> indent;
  Text item_separator, key_separator;
};

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, JsonStyle style, bool from_template)
      : runtime_(runtime), style_(std::move(style)), from_template_(from_template) {}

  void write(const Value& value) {
    runtime_.budget.charge(Budget::kNode);
    switch (value.kind()) {
      case Value::Kind::string:
        return quoted(value.text());
      case Value::Kind::list:
      case Value::Kind::tuple:
        return array(value.items());
      case Value::Kind::dict:
        return object(value.entries());
      default:
        return put(scalar(value));
    }
  }

  Text out;

 private:
  void room(size_t bytes) {
    if (bytes > Budget::kMaxText - std::min(out.size(), Budget::kMaxText)) {
      refuse("tojson grows over the bound of {} bytes", Budget::kMaxText);
    }
    runtime_.budget.charge(bytes + 1);
  }

  void put(std::string_view bytes) {
    room(bytes.size());
    out.append(bytes, from_template_);
  }

  void put(const Text& text) {
    room(text.size());
    out.append(text);
  }

  static std::string scalar(const Value& value) {
    switch (value.kind()) {
      case Value::Kind::none:
        return "null";
      case Value::Kind::boolean:
        return value.boolean() ? "true" : "false";
      case Value::Kind::integer:
        return std::to_string(value.integer());
      case Value::Kind::real:
        if (std::isnan(value.number())) return "NaN";
        if (std::isinf(value.number())) return value.number() < 0 ? "-Infinity" : "Infinity";
        if (const std::string* spelling = value.spelling()) return *spelling;
        return representation_of(value.number());
      default:
        refuse("tojson cannot write a {}", type_name(value));
    }
  }

  void new_line() {
    if (!style_.indent) return;
    put("\n");
    for (int i = 0; i < level_; ++i) put(*style_.indent);
  }

  void array(const Values& items) {
    if (items.empty()) return put("[]");
    put("[");
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      new_line();
      write(items[i]);
    }
    --level_;
    new_line();
    put("]");
  }

  void object(const Entries& entries) {
    if (entries.empty()) return put("{}");
    std::vector<const std::pair<Value, Value>*> order;
    for (const auto& entry : entries) order.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(order.begin(), order.end(), [&](const auto* a, const auto* b) {
        return compare(a->first, b->first, runtime_.budget) == -1;
      });
    }
    put("{");
    ++level_;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      new_line();
      const Value& key = order[i]->first;
      if (key.is_string()) {
        quoted(key.text());
      } else {
        put(fmt::format("\"{}\"", scalar(key)));
      }
      put(style_.key_separator);
      write(order[i]->second);
    }
    --level_;
    new_line();
    put("}");
  }

  void quoted(const Text& text) {
    put("\"");
    const std::string& bytes = text.bytes();
    size_t plain = 0;  // what lies from here to the current byte needs no escape
    const auto flush = [&](size_t end) {
      room(end - plain);
      out.append_range(text, plain, end);
    };
    for (size_t i = 0; i < bytes.size();) {
      const unsigned char byte = static_cast<unsigned char>(bytes[i]);
      const Character character = byte < 0x80 ? Character{byte, 1} : character_at(bytes, i);
      const std::string escape = escaped(character.code);
      if (!escape.empty()) {
        flush(i);
        room(escape.size());
        out.append(escape, text.origin_at(i));
        plain = i + character.length;
      }
      i += character.length;
    }
    flush(bytes.size());
    put("\"");
  }

  std::string escaped(char32_t code) const {
    switch (code) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        break;
    }
    const auto number = static_cast<uint32_t>(code);
    if (number < 0x20) return fmt::format("\\u{:04x}", number);
    if (!style_.ascii || code < 0x80 || code == kInvalidCharacter) return {};
    if (number < 0x10000) return fmt::format("\\u{:04x}", number);
    const uint32_t rest = number - 0x10000;
    return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  }

  Runtime& runtime_;
  JsonStyle style_;
  bool from_template_;
  int level_ = 0;
};

Text separator(const Value& value) {
  if (!value.is_string()) refuse("tojson needs strings as separators");
  return value.text();
}

}  // namespace

Value filter_tojson(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound =
      arguments.bind("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  const bool from_template = !subject.holds_conversation_text();
  JsonStyle style;
  style.ascii = bound[0] && is_true(*bound[0]);
  style.sort_keys = bound[3] && is_true(*bound[3]);
  if (bound[1] && !bound[1]->is_none()) {
    if (bound[1]->is_string()) {
      style.indent = bound[1]->text();
    } else if (bound[1]->is_integral()) {
      const int64_t width = std::max<int64_t>(bound[1]->integer(), 0);
      runtime.budget.charge_text(static_cast<size_t>(width));
      style.indent = Text(std::string(static_cast<size_t>(width), ' '), from_template);
    } else {
      refuse("tojson needs an integer or a string as indent");
    }
  }
  style.item_separator = Text(style.indent ? "," : ", ", from_template);
  style.key_separator = Text(": ", from_template);
  if (bound[2] && !bound[2]->is_none()) {
    const Values parts = runtime.iterate(*bound[2]);
    if (parts.size() != 2) refuse("tojson needs two separators");
    style.item_separator = separator(parts[0]);
    style.key_separator = separator(parts[1]);
  }
  JsonWriter writer(runtime, std::move(style), from_template);
  writer.write(subject);
  return Value(std::move(writer.out));
}

}  // namespace lazyllm::jinja
