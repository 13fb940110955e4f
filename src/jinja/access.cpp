// SPDX-License-Identifier: Apache-2.0
// a.b, a[b], a[b:c:d] and the methods of dicts and lists.
#include <algorithm>
#include <array>

#include "jinja/interpreter.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

template <size_t N>
bool one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 5> kDictMethods = {"items", "keys", "values", "get", "copy"};
constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault",
                                                          "update"};
constexpr std::array<std::string_view, 8> kListChanges = {"append", "clear", "pop",    "reverse",
                                                          "insert", "sort",  "extend", "remove"};

Value call_dict_method(Runtime& runtime, const Value& self, const std::string& name,
                       CallArguments& arguments) {
  if (name == "get") {
    const auto bound = arguments.bind("get", {"", "default"});
    if (!arguments.keywords.empty()) refuse("get() takes no keyword arguments");
    if (!bound[0]) refuse("get() needs a key");
    if (!bound[0]->is_hashable()) refuse("unhashable type: '{}'", type_name(*bound[0]));
    const Value* found = find_entry(self.entries(), *bound[0], runtime.budget);
    return found != nullptr ? *found : bound[1].value_or(Value());
  }
  arguments.bind(name, {});
  if (name == "copy") return self;
  const auto part = name == "items"  ? ViewObject::Part::items
                    : name == "keys" ? ViewObject::Part::keys
                                     : ViewObject::Part::values;
  return Value(std::make_shared<const ViewObject>(ViewObject{self, part}));
}

Value call_list_method(Runtime& runtime, const Value& self, const std::string& name,
                       CallArguments& arguments) {
  if (name == "copy") {
    arguments.bind("copy", {});
    return self;
  }
  const auto bound = arguments.bind(name, {"value", "start", "stop"});
  if (!bound[0]) refuse("{}() needs a value", name);
  const Values items = runtime.iterate(self);
  if (name == "count") {
    if (bound[1]) refuse("count() takes one argument");
    int64_t count = 0;
    for (const Value& item : items) count += equal(item, *bound[0], runtime.budget) ? 1 : 0;
    return Value(count);
  }
  const auto size = static_cast<int64_t>(items.size());
  const auto limit = [&](const std::optional<Value>& value, int64_t otherwise) {
    if (!value) return otherwise;
    if (!value->is_integral()) refuse("index() needs integers as bounds");
    const int64_t at = value->integer();
    return at < 0 ? std::max<int64_t>(at + size, 0) : std::min(at, size);
  };
  const int64_t stop = limit(bound[2], size);
  for (int64_t i = limit(bound[1], 0); i < stop; ++i) {
    if (equal(items[static_cast<size_t>(i)], *bound[0], runtime.budget)) return Value(i);
  }
  refuse("index(): the value is not in the {}", type_name(self));
}

Value bound_method(const Value& subject, const std::string& name,
                   Value (*call)(Runtime&, const Value&, const std::string&, CallArguments&)) {
  return Value(std::make_shared<const FunctionObject>(
      FunctionObject{name,
                     [subject, name, call](Runtime& runtime, CallArguments& arguments) {
                       return call(runtime, subject, name, arguments);
                     },
                     subject.depth() + 1}));
}

Value loop_attribute(const Value& subject, const std::string& name) {
  LoopObject& loop = subject.loop();
  const int64_t index0 = loop.index0();
  if (name == "index") return Value(index0 + 1);
  if (name == "index0") return Value(index0);
  if (name == "first") return Value(index0 == 0);
  if (name == "last") return Value(!loop.peek_next().has_value());
  if (name == "length") return Value(loop.length());
  if (name == "revindex") return Value(loop.length() - index0);
  if (name == "revindex0") return Value(loop.length() - index0 - 1);
  if (name == "depth") return Value(int64_t{1});
  if (name == "depth0") return Value(int64_t{0});
  if (name == "previtem") {
    return index0 > 0 && loop.previous() ? *loop.previous()
                                         : Value::undefined("there is no previous item");
  }
  if (name == "nextitem")
    return loop.peek_next().value_or(Value::undefined("there is no next item"));
  if (name == "cycle") {
    return bound_method(
        subject, name,
        [](Runtime&, const Value& self, const std::string&, CallArguments& arguments) {
          if (arguments.positional.empty()) refuse("loop.cycle() needs values");
          return arguments
              .positional[static_cast<size_t>(self.loop().index0()) % arguments.positional.size()];
        });
  }
  if (name == "changed") {
    return bound_method(
        subject, name,
        [](Runtime& runtime, const Value& self, const std::string&, CallArguments& arguments) {
          return Value(self.loop().changed(arguments.positional, runtime.budget));
        });
  }
  return Value::undefined(fmt::format("the loop has no attribute '{}'", name));
}

Value macro_attribute(const MacroObject& macro, const std::string& name) {
  const Statement& definition = *macro.definition;
  if (name == "name") return Value::literal(macro.name);
  if (name == "catch_kwargs") return Value(definition.takes_keywords);
  if (name == "catch_varargs") return Value(definition.takes_more);
  if (name == "caller") return Value(definition.takes_caller);
  if (name == "arguments") {
    Values names;
    for (const Parameter& parameter : definition.parameters) {
      names.push_back(Value::literal(parameter.name));
    }
    return Value::list(std::move(names));
  }
  return Value::undefined(fmt::format("a macro has no attribute '{}'", name));
}

/// The attribute itself, without falling back to an element.
std::optional<Value> own_attribute(Runtime& runtime, const Value& subject,
                                   const std::string& name) {
  switch (subject.kind()) {
    case Value::Kind::name_space: {
      const auto& attributes = subject.name_space().attributes;
      runtime.budget.charge(attributes.size() / 2);
      for (const auto& [known, value] : attributes) {
        if (known == name) return value;
      }
      return std::nullopt;
    }
    case Value::Kind::loop: {
      Value value = loop_attribute(subject, name);
      return value;
    }
    case Value::Kind::macro:
      return macro_attribute(subject.macro(), name);
    case Value::Kind::range: {
      const RangeObject& range = subject.range();
      if (name == "start") return Value(range.start);
      if (name == "stop") return Value(range.stop);
      if (name == "step") return Value(range.step);
      return method_of(subject, name);
    }
    case Value::Kind::boolean:
    case Value::Kind::integer:
      if (name == "real" || name == "numerator") return Value(subject.integer());
      if (name == "imag") return Value(int64_t{0});
      if (name == "denominator") return Value(int64_t{1});
      return std::nullopt;
    default:
      return method_of(subject, name);
  }
}

[[noreturn]] void refuse_undefined(const Value& subject, const std::string& name) {
  refuse("{}; so it has no '{}'. Test it with 'is defined' first", subject.why_undefined(), name);
}

/// Python's slice.indices().
struct SliceRange {
  int64_t start, stop, step, count;
};

SliceRange resolve_slice(int64_t size, const Value& start, const Value& stop, const Value& step) {
  const auto bound = [](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    if (value.is_undefined()) refuse("{}", value.why_undefined());
    if (!value.is_integral()) refuse("slices need integers, not a {}", type_name(value));
    return value.integer();
  };
  const int64_t by = bound(step, 1);
  if (by == 0) refuse("a slice cannot have the step 0");
  const int64_t lowest = by > 0 ? 0 : -1, highest = by > 0 ? size : size - 1;
  const auto clip = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    int64_t at = bound(value, 0);
    if (at < 0) at = at < -size ? lowest : at + size;
    return std::clamp(at, lowest, highest);
  };
  const int64_t first = clip(start, by > 0 ? lowest : highest);
  const int64_t last = clip(stop, by > 0 ? highest : lowest);
  const RangeObject range{first, last, by};
  return {first, last, by, range.length()};
}

}  // namespace

std::optional<Value> method_of(const Value& subject, const std::string& name) {
  const auto unsafe = [&] {
    return Value::undefined(fmt::format(
        "'{}' would change a {}; templates must not. Build a new one", name, type_name(subject)));
  };
  switch (subject.kind()) {
    case Value::Kind::dict:
      if (one_of(kDictMethods, name)) return bound_method(subject, name, call_dict_method);
      if (one_of(kDictChanges, name)) return unsafe();
      return std::nullopt;
    case Value::Kind::list:
      if (one_of(kListChanges, name)) return unsafe();
      if (name == "copy") return bound_method(subject, name, call_list_method);
      [[fallthrough]];
    case Value::Kind::tuple:
    case Value::Kind::range:
      if (name == "index" || name == "count") return bound_method(subject, name, call_list_method);
      return std::nullopt;
    case Value::Kind::string:
      if (!is_string_method(name)) return std::nullopt;
      return bound_method(subject, name,
                          [](Runtime& runtime, const Value& self, const std::string& method,
                             CallArguments& arguments) {
                            return call_string_method(runtime, self.text(), method, arguments);
                          });
    default:
      return std::nullopt;
  }
}

Value Runtime::attribute(const Value& subject, const std::string& name) {
  if (name == "__class__") return Value::undefined("access to '__class__' is not allowed");
  if (subject.is_undefined()) refuse_undefined(subject, name);
  if (std::optional<Value> own = own_attribute(*this, subject, name)) return std::move(*own);
  if (subject.is(Value::Kind::dict)) {
    const Value* found = find_entry(subject.entries(), Value::literal(name), budget);
    if (found != nullptr) return *found;
  }
  return Value::undefined(fmt::format("a {} has no attribute '{}'", type_name(subject), name));
}

Value Runtime::item(const Value& subject, const Value& key) {
  if (subject.is_undefined()) {
    refuse_undefined(subject,
                     key.is_string() ? key.text().bytes() : representation(key, budget).bytes());
  }
  if (subject.is(Value::Kind::dict)) {
    if (key.is_hashable()) {
      if (const Value* found = find_entry(subject.entries(), key, budget)) return *found;
    }
  } else if (key.is_integral()) {
    const std::optional<int64_t> size =
        subject.is(Value::Kind::view) || subject.is(Value::Kind::loop) ? std::nullopt
                                                                       : length_of(subject, budget);
    if (size) {
      const int64_t index = key.integer() < 0 ? key.integer() + *size : key.integer();
      if (index >= 0 && index < *size) {
        if (subject.is_sequence()) return subject.items()[static_cast<size_t>(index)];
        if (subject.is(Value::Kind::range)) {
          return Value(subject.range().start + index * subject.range().step);
        }
        const Text& text = subject.text();
        budget.charge(static_cast<size_t>(index));
        const size_t begin = byte_of_character(text.bytes(), static_cast<size_t>(index));
        return Value(text.range(begin, begin + character_at(text.bytes(), begin).length));
      }
    }
  }
  if (key.is_string()) {
    if (std::optional<Value> own = own_attribute(*this, subject, key.text().bytes())) {
      return std::move(*own);
    }
    return Value::undefined(
        fmt::format("a {} has no attribute '{}'", type_name(subject), key.text().bytes()));
  }
  return Value::undefined(fmt::format("a {} has no such element", type_name(subject)));
}

Value Runtime::slice(const Value& subject, const Value& start, const Value& stop,
                     const Value& step) {
  if (subject.is_undefined()) refuse("{}", subject.why_undefined());
  if (subject.is_sequence()) {
    const Values& items = subject.items();
    const SliceRange range = resolve_slice(static_cast<int64_t>(items.size()), start, stop, step);
    budget.charge_items(static_cast<size_t>(range.count));
    Values chosen;
    chosen.reserve(static_cast<size_t>(range.count));
    for (int64_t i = 0; i < range.count; ++i) {
      chosen.push_back(items[static_cast<size_t>(range.start + i * range.step)]);
    }
    return subject.is(Value::Kind::list) ? Value::list(std::move(chosen))
                                         : Value::tuple(std::move(chosen));
  }
  if (subject.is(Value::Kind::range)) {
    const RangeObject& whole = subject.range();
    const SliceRange range = resolve_slice(whole.length(), start, stop, step);
    int64_t by = 0, first = 0, end = 0;
    if (__builtin_mul_overflow(range.step, whole.step, &by) ||
        __builtin_mul_overflow(range.start, whole.step, &first) ||
        __builtin_add_overflow(first, whole.start, &first) ||
        __builtin_mul_overflow(range.stop, whole.step, &end) ||
        __builtin_add_overflow(end, whole.start, &end)) {
      refuse("the bounds of a range are too large");
    }
    return Value(std::make_shared<const RangeObject>(RangeObject{first, end, by}));
  }
  if (!subject.is_string()) refuse("a {} cannot be sliced", type_name(subject));
  const Text& text = subject.text();
  const std::string& bytes = text.bytes();
  budget.charge_text(bytes.size());
  const SliceRange range =
      resolve_slice(static_cast<int64_t>(count_characters(bytes)), start, stop, step);
  if (range.step == 1) {
    const size_t begin = byte_of_character(bytes, static_cast<size_t>(range.start));
    const size_t length =
        byte_of_character(std::string_view(bytes).substr(begin), static_cast<size_t>(range.count));
    return Value(text.range(begin, begin + length));
  }
  budget.charge(bytes.size() * 8);
  std::vector<size_t> starts;
  for (size_t i = 0; i < bytes.size(); i += character_at(bytes, i).length) starts.push_back(i);
  Text chosen;
  for (int64_t i = 0; i < range.count; ++i) {
    const size_t begin = starts[static_cast<size_t>(range.start + i * range.step)];
    chosen.append_range(text, begin, begin + character_at(bytes, begin).length);
  }
  return Value(std::move(chosen));
}

}  // namespace lazyllm::jinja
