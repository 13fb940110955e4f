// SPDX-License-Identifier: Apache-2.0
#include "server/python_calls.h"

#include <cstdint>
#include <string>

#include "server/json_body.h"

namespace lazyllm::server {
namespace {

constexpr int kDeepest = 64;  // lists in lists

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}

void append_utf8(uint32_t code, std::string& text) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    text += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
}

/// Reads from the front; every function says false where the text is something else.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }

  bool take(char wanted) {
    skip_space();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool take_name(std::string& name) {
    skip_space();
    size_t size = 0;
    while (size < rest_.size() && is_name_byte(rest_[size])) ++size;
    name = std::string(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return size > 0;
  }

  bool take_value(Json& value, int depth = 0) {
    skip_space();
    if (rest_.empty() || depth > kDeepest) return false;
    const char first = rest_.front();
    if (first == '"' || first == '\'') return take_text(value);
    if (first == '[') return take_list(value, ']', depth);
    if (first == '(') return take_list(value, ')', depth);
    if (first == '{') return take_object(value, depth);
    return take_word(value);
  }

 private:
  void skip_space() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
  }

  bool take_text(Json& value) {
    const char quote = rest_.front();
    std::string text;
    size_t at = 1;
    for (; at < rest_.size() && rest_[at] != quote; ++at) {
      if (rest_[at] != '\\') {
        text += rest_[at];
      } else if (++at == rest_.size() || !take_escape(at, text)) {
        return false;
      }
    }
    if (at >= rest_.size()) return false;
    rest_.remove_prefix(at + 1);
    value = std::move(text);
    return true;
  }

  /// `at`: of the byte behind the backslash, afterwards of the last one.
  bool take_escape(size_t& at, std::string& text) {
    constexpr std::string_view kLetters = "ntrbf0", kMeanings{"\n\t\r\b\f\0", 6};
    const char c = rest_[at];
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
      const size_t letter = kLetters.find(c);
      if (letter != std::string_view::npos) {
        text += kMeanings[letter];
      } else if (c == '\\' || c == '"' || c == '\'' || c == '/') {
        text += c;
      } else {
        text += '\\';  // as Python leaves it
        text += c;
      }
      return true;
    }
    uint32_t code = 0;
    if (!take_hexadecimal(at + 1, digits, code)) return false;
    at += digits;
    uint32_t low = 0;
    const bool pair = code >= 0xd800 && code < 0xdc00 && rest_.substr(at + 1).starts_with("\\u") &&
                      take_hexadecimal(at + 3, 4, low) && low >= 0xdc00 && low < 0xe000;
    if (pair) {  // as JSON writes what does not fit four digits
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      at += 6;
    }
    const bool is_character = code < 0x110000 && (code < 0xd800 || code >= 0xe000);
    append_utf8(is_character ? code : 0xfffd, text);
    return true;
  }

  bool take_hexadecimal(size_t at, size_t digits, uint32_t& code) const {
    if (at + digits > rest_.size()) return false;
    code = 0;
    for (const char c : rest_.substr(at, digits)) {
      const bool number = c >= '0' && c <= '9';
      const char small = static_cast<char>(c | 0x20);
      if (!number && (small < 'a' || small > 'f')) return false;
      code = code * 16 + static_cast<uint32_t>(number ? c - '0' : small - 'a' + 10);
    }
    return true;
  }

  bool take_list(Json& value, char close, int depth) {
    rest_.remove_prefix(1);
    value = Json::array();
    while (!take(close)) {
      if (!value.empty() && !take(',')) return false;
      if (take(close)) return true;  // a comma behind the last one
      Json item;
      if (!take_value(item, depth + 1)) return false;
      value.push_back(std::move(item));
    }
    return true;
  }

  bool take_object(Json& value, int depth) {
    rest_.remove_prefix(1);
    value = Json::object();
    while (!take('}')) {
      if (!value.empty() && !take(',')) return false;
      if (take('}')) return true;
      Json key, item;
      if (!take_value(key, depth + 1) || !key.is_string() || !take(':')) return false;
      if (!take_value(item, depth + 1)) return false;
      value[key.get<std::string>()] = std::move(item);
    }
    return true;
  }

  bool take_word(Json& value) {
    size_t size = 0;
    while (size < rest_.size() && (is_name_byte(rest_[size]) || rest_[size] == '+')) ++size;
    const std::string_view word = rest_.substr(0, size);
    if (word == "True" || word == "true") {
      value = true;
    } else if (word == "False" || word == "false") {
      value = false;
    } else if (word == "None" || word == "null") {
      value = nullptr;
    } else {
      value = Json::parse(word, nullptr, /*allow_exceptions=*/false);
      if (!value.is_number()) return false;
    }
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

bool take_call(Reader& reader, ToolCall& call) {
  if (!reader.take_name(call.name) || !reader.take('(')) return false;
  Json arguments = Json::object();
  while (!reader.take(')')) {
    if (!arguments.empty() && !reader.take(',')) return false;
    if (reader.take(')')) break;
    std::string key;
    Json value;
    if (!reader.take_name(key) || !reader.take('=') || !reader.take_value(value)) return false;
    arguments[key] = std::move(value);
  }
  call.arguments = dump(arguments);
  return true;
}

}  // namespace

std::optional<PythonCalls> parse_python_calls(std::string_view text) {
  Reader reader(text);
  PythonCalls found;
  if (!reader.take('[')) return std::nullopt;
  do {
    ToolCall call;
    if (!take_call(reader, call)) return std::nullopt;
    found.calls.push_back(std::move(call));
  } while (reader.take(','));
  if (!reader.take(']')) return std::nullopt;
  found.size = text.size() - reader.rest().size();
  return found;
}

}  // namespace lazyllm::server
