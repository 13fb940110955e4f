// SPDX-License-Identifier: Apache-2.0
// Methods of strings.
#include <algorithm>
#include <array>
#include <iterator>

#include "jinja/interpreter.h"
#include "jinja/search.h"
#include "jinja/text_ops.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

constexpr std::string_view kMethods[] = {
    "strip",        "lstrip",   "rstrip",    "split",     "rsplit",     "splitlines",
    "startswith",   "endswith", "replace",   "upper",     "lower",      "title",
    "capitalize",   "casefold", "find",      "rfind",     "index",      "rindex",
    "count",        "join",     "format",    "partition", "rpartition", "removeprefix",
    "removesuffix", "isdigit",  "isdecimal", "isnumeric", "isalpha",    "isalnum",
    "isspace",      "isupper",  "islower"};
/// Python has these too; no template that is known calls them.
constexpr std::string_view kUnsupported[] = {
    "center",  "encode", "expandtabs", "format_map", "isascii",  "isidentifier", "isprintable",
    "istitle", "ljust",  "maketrans",  "rjust",      "swapcase", "translate",    "zfill"};

std::optional<Text> text_or_none(const std::optional<Value>& value, std::string_view method) {
  if (!value || value->is_none()) return std::nullopt;
  if (!value->is_string()) refuse("{}() needs a str, not a {}", method, type_name(*value));
  return value->text();
}

Text text_of(const std::optional<Value>& value, std::string_view method) {
  std::optional<Text> text = text_or_none(value, method);
  if (!text) refuse("{}() needs a str", method);
  return std::move(*text);
}

int64_t integer_of(const std::optional<Value>& value, int64_t otherwise, std::string_view method) {
  if (!value) return otherwise;
  if (!value->is_integral()) refuse("{}() needs an int, not a {}", method, type_name(*value));
  return value->integer();
}

/// Bytes of text[start:stop] for bounds in characters; nothing if start is past the end.
struct Window {
  size_t begin, end;
};

std::optional<Window> window(const std::string& bytes, const std::optional<Value>& start,
                             const std::optional<Value>& stop, std::string_view method,
                             Budget& budget) {
  if (!start && !stop) return Window{0, bytes.size()};
  budget.charge(bytes.size());
  const auto size = static_cast<int64_t>(count_characters(bytes));
  const auto clip = [&](const std::optional<Value>& value, int64_t otherwise) {
    if (!value || value->is_none()) return otherwise;
    const int64_t at = integer_of(value, 0, method);
    return at < 0 ? std::max<int64_t>(at < -size ? 0 : at + size, 0) : at;
  };
  const int64_t first = clip(start, 0), last = std::min(clip(stop, size), size);
  if (first > size || first > last) return std::nullopt;
  return Window{byte_of_character(bytes, static_cast<size_t>(first)),
                byte_of_character(bytes, static_cast<size_t>(last))};
}

Value find(Runtime& runtime, const Text& self, const std::string& name, CallArguments& arguments) {
  const auto bound = arguments.bind(name, {"sub", "start", "end"});
  const Text wanted = text_of(bound[0], name);
  const bool backwards = name[0] == 'r';
  const auto inside = window(self.bytes(), bound[1], bound[2], name, runtime.budget);
  size_t hit = std::string::npos;
  if (inside) {
    const std::string_view part(self.bytes().data(), inside->end);
    hit = backwards ? rfind_bytes(part, wanted.bytes(), part.size(), runtime.budget)
                    : find_bytes(part, wanted.bytes(), inside->begin, runtime.budget);
    if (backwards && hit != std::string::npos && hit < inside->begin) hit = std::string::npos;
  }
  if (hit != std::string::npos) {
    runtime.budget.charge(hit);
    return Value(
        static_cast<int64_t>(count_characters(std::string_view(self.bytes()).substr(0, hit))));
  }
  if (name.ends_with("index")) refuse("{}(): the text is not found", name);
  return Value(int64_t{-1});
}

Value count(Runtime& runtime, const Text& self, CallArguments& arguments) {
  const auto bound = arguments.bind("count", {"sub", "start", "end"});
  const Text wanted = text_of(bound[0], "count");
  const auto inside = window(self.bytes(), bound[1], bound[2], "count", runtime.budget);
  if (!inside) return Value(int64_t{0});
  const std::string_view part(self.bytes().data(), inside->end);
  if (wanted.empty()) {
    runtime.budget.charge(part.size());
    return Value(static_cast<int64_t>(count_characters(part.substr(inside->begin))) + 1);
  }
  int64_t found = 0;
  for (size_t at = inside->begin;
       (at = find_bytes(part, wanted.bytes(), at, runtime.budget)) != std::string::npos;
       at += wanted.size()) {
    ++found;
  }
  return Value(found);
}

Value starts_or_ends(Runtime& runtime, const Text& self, const std::string& name,
                     CallArguments& arguments) {
  const auto bound = arguments.bind(name, {"affix", "start", "end"});
  const auto inside = window(self.bytes(), bound[1], bound[2], name, runtime.budget);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string()) refuse("{}() needs a str or a tuple of str", name);
    if (!inside) return false;
    const std::string_view part =
        std::string_view(self.bytes()).substr(inside->begin, inside->end - inside->begin);
    runtime.budget.charge(affix.text().size() / 16 + 1);
    return name == "startswith" ? part.starts_with(affix.text().bytes())
                                : part.ends_with(affix.text().bytes());
  };
  if (!bound[0]) refuse("{}() needs a str", name);
  if (!bound[0]->is(Value::Kind::tuple)) return Value(matches(*bound[0]));
  for (const Value& affix : bound[0]->items()) {
    if (matches(affix)) return Value(true);
  }
  return Value(false);
}

Value partition(Runtime& runtime, const Text& self, const std::string& name,
                CallArguments& arguments) {
  const auto bound = arguments.bind(name, {"sep"});
  const Text separator = text_of(bound[0], name);
  if (separator.empty()) refuse("{}() needs a separator that is not empty", name);
  const bool backwards = name[0] == 'r';
  const size_t hit = backwards
                         ? rfind_bytes(self.bytes(), separator.bytes(), self.size(), runtime.budget)
                         : find_bytes(self.bytes(), separator.bytes(), 0, runtime.budget);
  runtime.budget.charge_text(self.size());
  if (hit == std::string::npos) {
    return backwards ? Value::tuple({Value(Text()), Value(Text()), Value(self)})
                     : Value::tuple({Value(self), Value(Text()), Value(Text())});
  }
  return Value::tuple({Value(self.range(0, hit)), Value(separator),
                       Value(self.range(hit + separator.size(), self.size()))});
}

template <typename Predicate>
bool all_characters(const Text& text, Predicate predicate) {
  for (size_t i = 0; i < text.size();) {
    const Character character = character_at(text.bytes(), i);
    if (!predicate(character.code)) return false;
    i += character.length;
  }
  return !text.empty();
}

bool has_property(const Text& self, const std::string& name) {
  if (name == "isdigit") return all_characters(self, is_digit);
  if (name == "isdecimal") return all_characters(self, is_decimal);
  if (name == "isnumeric") return all_characters(self, is_numeric);
  if (name == "isalpha") return all_characters(self, is_alphabetic);
  if (name == "isspace") return all_characters(self, is_space);
  if (name == "isalnum") {
    return all_characters(self,
                          [](char32_t code) { return is_alphabetic(code) || is_numeric(code); });
  }
  const bool upper = name == "isupper";
  bool any = false;
  for (size_t i = 0; i < self.size();) {
    const Character character = character_at(self.bytes(), i);
    if (upper ? is_lower(character.code) : is_upper(character.code)) return false;
    any = any || is_cased(character.code);
    i += character.length;
  }
  return any;
}

}  // namespace

bool is_string_method(std::string_view name) {
  const auto among = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
  };
  return among(kMethods) || among(kUnsupported);
}

Value call_string_method(Runtime& runtime, const Text& self, const std::string& name,
                         CallArguments& arguments) {
  Budget& budget = runtime.budget;
  budget.charge(self.size() / 16);
  if (name == "format") return Value(format_braces(self, arguments, runtime));
  if (name == "split" || name == "rsplit") {
    const auto bound = arguments.bind(name, {"sep", "maxsplit"});
    return Value::list(split(self, text_or_none(bound[0], name), integer_of(bound[1], -1, name),
                             name == "rsplit", budget));
  }
  if (name == "splitlines") {
    const auto bound = arguments.bind(name, {"keepends"});
    Values lines;
    for (Text& line : split_lines(self, bound[0] && is_true(*bound[0]), budget)) {
      lines.emplace_back(std::move(line));
    }
    return Value::list(std::move(lines));
  }
  if (!arguments.keywords.empty()) refuse("{}() takes no keyword arguments", name);
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const auto bound = arguments.bind(name, {"chars"});
    return Value(
        stripped(self, text_or_none(bound[0], name), name != "rstrip", name != "lstrip", budget));
  }
  if (name == "startswith" || name == "endswith") {
    return starts_or_ends(runtime, self, name, arguments);
  }
  if (name == "replace") {
    const auto bound = arguments.bind(name, {"old", "new", "count"});
    return Value(replaced(self, text_of(bound[0], name), text_of(bound[1], name),
                          integer_of(bound[2], -1, name), budget));
  }
  if (name == "join") {
    const auto bound = arguments.bind(name, {"iterable"});
    if (!bound[0]) refuse("join() needs a list");
    std::vector<Text> parts;
    for (const Value& part : runtime.iterate(*bound[0])) {
      parts.push_back(text_of(part, "join"));
    }
    return Value(joined(self, parts, budget));
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex") {
    return find(runtime, self, name, arguments);
  }
  if (name == "count") return count(runtime, self, arguments);
  if (name == "partition" || name == "rpartition") {
    return partition(runtime, self, name, arguments);
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const auto bound = arguments.bind(name, {"affix"});
    const Text affix = text_of(bound[0], name);
    budget.charge_text(self.size());
    if (name == "removeprefix" && self.bytes().starts_with(affix.bytes())) {
      return Value(self.range(affix.size(), self.size()));
    }
    if (name == "removesuffix" && self.bytes().ends_with(affix.bytes())) {
      return Value(self.range(0, self.size() - affix.size()));
    }
    return Value(self);
  }
  if (std::find(std::begin(kUnsupported), std::end(kUnsupported), name) != std::end(kUnsupported)) {
    refuse("the method {}() is not supported", name);
  }
  arguments.bind(name, {});
  if (name == "upper") return Value(with_case(self, Case::upper, budget));
  if (name == "lower" || name == "casefold") return Value(with_case(self, Case::lower, budget));
  if (name == "title") return Value(with_case(self, Case::title, budget));
  if (name == "capitalize") return Value(with_case(self, Case::capitalized, budget));
  budget.charge(self.size());
  return Value(has_property(self, name));
}

}  // namespace lazyllm::jinja
