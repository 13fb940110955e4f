// SPDX-License-Identifier: Apache-2.0
// Filters over elements. Those that are generators in jinja2 are lazy here too: they
// do nothing, and raise nothing, until they are walked.
#include <algorithm>
#include <iterator>
#include <utility>

#include "jinja/interpreter.h"
#include "jinja/text_ops.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

/// "a.b.0" as the elements to look up one after the other.
Values attribute_path(const Value& attribute) {
  if (attribute.is_none()) return {};
  if (!attribute.is_string()) return {attribute};
  Values parts;
  const std::string& path = attribute.text().bytes();
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    const bool is_index = !part.empty() && part.size() < 18 &&
                          part.find_first_not_of("0123456789") == std::string::npos;
    parts.push_back(is_index ? Value(static_cast<int64_t>(std::stoll(part)))
                             : Value::literal(part));
    begin = end + 1;
  }
  return parts;
}

Value look_up(Runtime& runtime, Value item, const Values& path,
              const std::optional<Value>& otherwise = std::nullopt) {
  for (const Value& part : path) {
    item = runtime.item(item, part);
    if (item.is_undefined() && otherwise && !otherwise->is_none()) item = *otherwise;
  }
  return item;
}

Value sort_key(Runtime& runtime, const Value& item, const Values& path, bool case_sensitive) {
  Value key = look_up(runtime, item, path);
  if (key.is_string() && !case_sensitive) {
    return Value(with_case(key.text(), Case::lower, runtime.budget));
  }
  return key;
}

/// sorted(items, key) with the keys given, as Python compares lists of keys.
Values sorted(Runtime& runtime, const Values& items, const std::vector<Values>& keys,
              bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto less = [&](size_t a, size_t b) {
    runtime.budget.charge(8);
    for (size_t k = 0; k < keys[a].size(); ++k) {
      if (equal(keys[a][k], keys[b][k], runtime.budget)) continue;
      return compare(keys[a][k], keys[b][k], runtime.budget) == -1;
    }
    return false;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return reverse ? less(b, a) : less(a, b); });
  Values result;
  for (const size_t i : order) result.push_back(items[i]);
  return result;
}

Value length(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("length", {});
  const auto size = length_of(subject, runtime.budget);
  if (!size) refuse("a {} has no length", type_name(subject));
  return Value(*size);
}

Value first(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("first", {});
  if (subject.is(Value::Kind::generator)) {
    // Takes one element and leaves the others.
    Values items = runtime.iterate(subject);
    if (items.empty()) return Value::undefined("No first item, sequence was empty.");
    GeneratorObject& generator = subject.generator();
    generator.items = std::move(items);
    generator.position = 1;
    return generator.items[0];
  }
  if (subject.is_string() && !subject.text().empty()) {
    return runtime.item(subject, Value(int64_t{0}));
  }
  Values items = runtime.iterate(subject);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("last", {});
  if (subject.is(Value::Kind::generator)) refuse("last needs a list; use 'list' before it");
  if (subject.is_string() && !subject.text().empty()) {
    return runtime.item(subject, Value(int64_t{-1}));
  }
  Values items = runtime.iterate(subject);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value to_list(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("list", {});
  return Value::list(runtime.iterate(subject));
}

Value join(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("join", {"d", "attribute"});
  const Text separator = bound[0] ? runtime.print(*bound[0]) : Text();
  const Values path = bound[1] ? attribute_path(*bound[1]) : Values();
  std::vector<Text> parts;
  for (const Value& item : runtime.iterate(subject)) {
    parts.push_back(runtime.print(look_up(runtime, item, path)));
  }
  return Value(joined(separator, parts, runtime.budget));
}

Value reverse(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("reverse", {});
  if (subject.is_string()) return runtime.slice(subject, {}, {}, Value(int64_t{-1}));
  Values items = runtime.iterate(subject);
  std::reverse(items.begin(), items.end());
  if (subject.is(Value::Kind::generator)) return Value::list(std::move(items));
  return runtime.generator([items = std::move(items)] { return items; }, subject);
}

Value items_of(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  arguments.bind("items", {});
  return runtime.generator(
      [&runtime, subject]() -> Values {
        if (subject.is_undefined()) return {};
        if (!subject.is(Value::Kind::dict)) refuse("items needs a dict");
        runtime.budget.charge_items(subject.entries().size());
        Values pairs;
        for (const auto& [key, value] : subject.entries()) {
          pairs.push_back(Value::tuple({key, value}));
        }
        return pairs;
      },
      subject);
}

Value dict_sort(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("dictsort", {"case_sensitive", "by", "reverse"});
  if (subject.is_undefined()) refuse("{}", subject.why_undefined());
  if (!subject.is(Value::Kind::dict)) refuse("dictsort needs a dict");
  const std::string by = bound[1] ? runtime.print(*bound[1]).bytes() : "key";
  if (by != "key" && by != "value") refuse("dictsort sorts by 'key' or 'value'");
  Values pairs;
  std::vector<Values> keys;
  for (const auto& [key, value] : subject.entries()) {
    pairs.push_back(Value::tuple({key, value}));
    keys.push_back({sort_key(runtime, by == "key" ? key : value, {}, flag(bound[0]))});
  }
  return Value::list(sorted(runtime, pairs, keys, flag(bound[2])));
}

Value sort(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("sort", {"reverse", "case_sensitive", "attribute"});
  std::vector<Values> paths;
  if (bound[2] && bound[2]->is_string()) {
    for (const Value& part : split(bound[2]->text(), Text(",", true), -1, false, runtime.budget)) {
      paths.push_back(attribute_path(part));
    }
  } else {
    paths.push_back(attribute_path(bound[2].value_or(Value())));
  }
  const Values items = runtime.iterate(subject);
  std::vector<Values> keys;
  for (const Value& item : items) {
    Values key;
    for (const Values& path : paths) {
      key.push_back(sort_key(runtime, item, path, flag(bound[1])));
    }
    keys.push_back(std::move(key));
  }
  return Value::list(sorted(runtime, items, keys, flag(bound[0])));
}

Value unique(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("unique", {"case_sensitive", "attribute"});
  const Values path = attribute_path(bound[1].value_or(Value()));
  return runtime.generator(
      [&runtime, subject, path, case_sensitive = flag(bound[0])] {
        Values kept;
        Entries seen;
        for (const Value& item : runtime.iterate(subject)) {
          const Value key = sort_key(runtime, item, path, case_sensitive);
          if (!key.is_hashable()) refuse("unhashable type: '{}'", type_name(key));
          if (find_entry(seen, key, runtime.budget) != nullptr) continue;
          seen.emplace_back(key, Value());
          kept.push_back(item);
        }
        return kept;
      },
      subject);
}

template <int wanted>
Value extreme(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("min and max", {"case_sensitive", "attribute"});
  const Values path = attribute_path(bound[1].value_or(Value()));
  const Values items = runtime.iterate(subject);
  if (items.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = sort_key(runtime, items[0], path, flag(bound[0]));
  for (size_t i = 1; i < items.size(); ++i) {
    Value key = sort_key(runtime, items[i], path, flag(bound[0]));
    if (compare(key, best_key, runtime.budget) == wanted) {
      best = i;
      best_key = std::move(key);
    }
  }
  return items[best];
}

Value sum(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  const auto bound = arguments.bind("sum", {"attribute", "start"});
  const Values path = attribute_path(bound[0].value_or(Value()));
  Value total = bound[1].value_or(Value(int64_t{0}));
  if (total.is_string()) refuse("sum cannot add texts; use join");
  for (const Value& item : runtime.iterate(subject)) {
    total = arithmetic(Expression::Operator::add, total, look_up(runtime, item, path), runtime);
  }
  return total;
}

Value map(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  return runtime.generator(
      [&runtime, subject, arguments]() mutable -> Values {
        Values mapped;
        if (!is_true(subject)) return mapped;
        if (arguments.positional.empty()) {
          bool has_attribute = false;
          for (const auto& [name, value] : arguments.keywords) {
            has_attribute = has_attribute || name == "attribute";
          }
          if (!has_attribute) refuse("map needs a filter or an attribute");
          const auto bound = arguments.bind("map", {"attribute", "default"});
          const Values path = attribute_path(*bound[0]);
          for (const Value& item : runtime.iterate(subject)) {
            mapped.push_back(look_up(runtime, item, path, bound[1]));
          }
          return mapped;
        }
        const Value name = arguments.positional[0];
        if (!name.is_string()) refuse("map needs the name of a filter");
        CallArguments rest{Values(arguments.positional.begin() + 1, arguments.positional.end()),
                           arguments.keywords};
        for (const Value& item : runtime.iterate(subject)) {
          runtime.budget.charge(Budget::kNode);
          CallArguments each = rest;
          mapped.push_back(runtime.filter(name.text().bytes(), item, each));
        }
        return mapped;
      },
      subject);
}

template <bool wanted, bool by_attribute>
Value choose(Runtime& runtime, const Value& subject, CallArguments& arguments) {
  return runtime.generator(
      [&runtime, subject, arguments]() mutable -> Values {
        Values chosen;
        if (!is_true(subject)) return chosen;
        Values path;
        size_t used = 0;
        if (by_attribute) {
          if (arguments.positional.empty()) refuse("selectattr and rejectattr need an attribute");
          path = attribute_path(arguments.positional[0]);
          used = 1;
        }
        const bool has_test = arguments.positional.size() > used;
        CallArguments rest;
        if (has_test) {
          if (!arguments.positional[used].is_string()) refuse("a test must be named by a str");
          rest.positional.assign(
              arguments.positional.begin() + static_cast<std::ptrdiff_t>(used) + 1,
              arguments.positional.end());
          rest.keywords = arguments.keywords;
        }
        for (const Value& item : runtime.iterate(subject)) {
          runtime.budget.charge(Budget::kNode);
          const Value value = look_up(runtime, item, path);
          CallArguments each = rest;
          const bool holds =
              has_test ? runtime.test(arguments.positional[used].text().bytes(), value, each)
                       : is_true(value);
          if (holds == wanted) chosen.push_back(item);
        }
        return chosen;
      },
      subject);
}

constexpr std::pair<std::string_view, Filter> kSequenceFilters[] = {
    {"length", length},
    {"count", length},
    {"first", first},
    {"last", last},
    {"list", to_list},
    {"join", join},
    {"reverse", reverse},
    {"items", items_of},
    {"dictsort", dict_sort},
    {"sort", sort},
    {"unique", unique},
    {"min", extreme<-1>},
    {"max", extreme<1>},
    {"sum", sum},
    {"map", map},
    {"select", choose<true, false>},
    {"reject", choose<false, false>},
    {"selectattr", choose<true, true>},
    {"rejectattr", choose<false, true>},
};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  const auto* found = std::find_if(std::begin(kSequenceFilters), std::end(kSequenceFilters),
                                   [&](const auto& entry) { return entry.first == name; });
  return found == std::end(kSequenceFilters) ? nullptr : found->second;
}

}  // namespace lazyllm::jinja
