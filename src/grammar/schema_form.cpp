// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_form.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace lazyllm::grammar {
namespace {

constexpr Int128 kLargestStep = Int128{1} << 62;

Int128 greatest_common_divisor(Int128 a, Int128 b) {
  while (b != 0) a = std::exchange(b, a % b);
  return a;
}

Int128 clamp_to_integer(double value) {
  constexpr double kLimit = 1e19;  // beyond 64 bits
  return static_cast<Int128>(std::clamp(value, -kLimit, kLimit));
}

/// A number's shortest decimal spelling in units of 10^-kDecimals, and whether digits below that
/// were cut off. Clamped a little beyond the largest decimal.
struct Units {
  Int128 value = 0;
  bool cut = false;
};

Units to_units(double number) {
  constexpr double kLimit = 1e15;
  if (std::abs(number) >= kLimit) {
    const Int128 limit = NumberRule::kUnit * NumberRule::kUnit;
    return {number < 0 ? -limit : limit, false};
  }
  char text[400];
  const auto end = std::to_chars(text, text + sizeof text, number, std::chars_format::fixed).ptr;
  Units units;
  bool negative = false;
  int decimals = -1;
  for (const char* c = text; c != end; ++c) {
    if (*c == '-') {
      negative = true;
    } else if (*c == '.') {
      decimals = 0;
    } else if (decimals < NumberRule::kDecimals) {
      units.value = units.value * 10 + (*c - '0');
      if (decimals >= 0) ++decimals;
    } else {
      units.cut = units.cut || *c != '0';
    }
  }
  for (int i = std::max(decimals, 0); i < NumberRule::kDecimals; ++i) units.value *= 10;
  if (negative) units.value = -units.value;
  return units;
}

Types literal_types(const std::vector<const Json*>& literals) {
  Types types = 0;
  for (const Json* literal : literals) types |= type_of(*literal);
  return types;
}

/// Declared properties of one side: those of both, and what the other's further ones must fulfil.
void merge_properties(const Form& a, const Form& b, Form& out) {
  out.properties.clear();
  out.property_index.clear();
  for (const auto& [name, schemas] : a.properties) {
    out.add_property(name, both(schemas, b.property(name)));
  }
  for (const auto& [name, schemas] : b.properties) {
    if (!a.property_index.contains(name)) out.add_property(name, both(schemas, a.property(name)));
  }
  for (const std::string& name : b.required) out.add_required(name);
  out.additional = both(a.additional, b.additional);
  for (const NameRule& rule : b.name_rules) {
    if (std::find(out.name_rules.begin(), out.name_rules.end(), rule) == out.name_rules.end()) {
      out.name_rules.push_back(rule);
    }
  }
  out.name_schemas = both(a.name_schemas, b.name_schemas);
  out.fewest_properties = std::max(a.fewest_properties, b.fewest_properties);
  out.most_properties = std::min(a.most_properties, b.most_properties);
}

void merge_items(const Form& a, const Form& b, Form& out) {
  const size_t count = std::max(a.first_items.size(), b.first_items.size());
  out.first_items.clear();
  for (size_t i = 0; i < count; ++i) out.first_items.push_back(both(a.item(i), b.item(i)));
  out.further_items = both(a.further_items, b.further_items);
  out.fewest_items = std::max(a.fewest_items, b.fewest_items);
  out.most_items = std::min(a.most_items, b.most_items);
  out.unique_items = a.unique_items || b.unique_items;
  for (const ContainsRule& rule : b.contains) {
    if (std::find(out.contains.begin(), out.contains.end(), rule) == out.contains.end()) {
      out.contains.push_back(rule);
    }
  }
}

}  // namespace

Schemas both(const Schemas& a, const Schemas& b) {
  Schemas result;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result),
                 std::less<const Json*>());
  return result;
}

Types type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return kNull;
    case Json::value_t::boolean:
      return kBoolean;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return kInteger;
    case Json::value_t::number_float:
      return value.get<double>() == std::floor(value.get<double>()) ? kInteger : kFraction;
    case Json::value_t::string:
      return kString;
    case Json::value_t::array:
      return kArray;
    default:
      return kObject;
  }
}

void NumberBounds::set_lower(const Json& bound, bool excluded) {
  NumberBounds other;
  other.bounded = true;
  other.lower = bound.get<double>();
  other.lower_excluded = excluded;
  const bool whole = bound.is_number_integer();
  const bool exact = whole || other.lower == std::floor(other.lower);
  Int128 first = clamp_to_integer(std::ceil(other.lower));
  if (bound.is_number_unsigned()) first = bound.get<uint64_t>();
  if (whole && !bound.is_number_unsigned()) first = bound.get<int64_t>();
  other.first_integer = first + (excluded && exact ? 1 : 0);
  const Units units = to_units(other.lower);
  const bool up = (units.cut && units.value >= 0 && other.lower > 0) || (!units.cut && excluded);
  other.first_decimal = units.value + (up ? 1 : 0);
  merge(other);
}

void NumberBounds::set_upper(const Json& bound, bool excluded) {
  NumberBounds other;
  other.bounded = true;
  other.upper = bound.get<double>();
  other.upper_excluded = excluded;
  const bool whole = bound.is_number_integer();
  const bool exact = whole || other.upper == std::floor(other.upper);
  Int128 last = clamp_to_integer(std::floor(other.upper));
  if (bound.is_number_unsigned()) last = bound.get<uint64_t>();
  if (whole && !bound.is_number_unsigned()) last = bound.get<int64_t>();
  other.last_integer = last - (excluded && exact ? 1 : 0);
  const Units units = to_units(other.upper);
  const bool down = (units.cut && units.value <= 0 && other.upper < 0) || (!units.cut && excluded);
  other.last_decimal = units.value - (down ? 1 : 0);
  merge(other);
}

bool NumberBounds::set_step(Int128 other) {
  const Int128 factor = other / greatest_common_divisor(step, other);
  if (factor > kLargestStep / step) return false;
  step *= factor;
  return true;
}

bool NumberBounds::set_decimal_step(Int128 other) {
  constexpr Int128 kLargest = NumberRule::kUnit * 1'000'000;
  const Int128 factor = other / greatest_common_divisor(decimal_step, other);
  if (factor > kLargest / decimal_step) return false;
  decimal_step *= factor;
  return true;
}

bool NumberBounds::merge(const NumberBounds& other) {
  if (other.lower >= lower) {
    lower_excluded = other.lower_excluded || (other.lower == lower && lower_excluded);
    lower = other.lower;
  }
  if (other.upper <= upper) {
    upper_excluded = other.upper_excluded || (other.upper == upper && upper_excluded);
    upper = other.upper;
  }
  first_integer = std::max(first_integer, other.first_integer);
  last_integer = std::min(last_integer, other.last_integer);
  first_decimal = std::max(first_decimal, other.first_decimal);
  last_decimal = std::min(last_decimal, other.last_decimal);
  bounded = bounded || other.bounded;
  return set_step(other.step) && set_decimal_step(other.decimal_step);
}

Schemas Form::property(const std::string& name) const {
  const auto found = property_index.find(name);
  if (found != property_index.end()) return properties[found->second].second;
  return further_property([&](const CharacterAutomaton& names) { return names.matches(name); });
}

void Form::add_property(const std::string& name, Schemas schemas) {
  property_index.emplace(name, properties.size());
  properties.emplace_back(name, std::move(schemas));
}

void Form::add_required(const std::string& name) {
  if (required_names_.insert(name).second) required.push_back(name);
}

size_t Form::weight() const {
  return 1 + properties.size() + required.size() + first_items.size() + patterns.size() +
         name_rules.size() + name_schemas.size() + (literals ? literals->size() : 0);
}

std::optional<Form> merge(const Form& a, const Form& b) {
  Form out = a;
  out.types = a.types & b.types;
  out.mentioned = a.mentioned | b.mentioned;
  if (b.literals && !a.literals) out.literals = b.literals;
  if (b.literals && a.literals) {
    std::erase_if(*out.literals, [&](const Json* value) {
      return std::none_of(b.literals->begin(), b.literals->end(),
                          [&](const Json* other) { return same_value(*value, *other); });
    });
  }
  if (out.literals) out.types &= literal_types(*out.literals);
  if (!out.number.merge(b.number)) out.types &= static_cast<Types>(~kNumber);
  out.shortest = std::max(a.shortest, b.shortest);
  out.longest = std::min(a.longest, b.longest);
  for (const TextRule& pattern : b.patterns) {
    if (std::find(out.patterns.begin(), out.patterns.end(), pattern) == out.patterns.end()) {
      out.patterns.push_back(pattern);
    }
  }
  for (const std::string& format : b.formats) {
    if (std::find(out.formats.begin(), out.formats.end(), format) == out.formats.end()) {
      out.formats.push_back(format);
    }
  }
  if (((a.mentioned | b.mentioned) & kArray) != 0) merge_items(a, b, out);
  if (((a.mentioned | b.mentioned) & kObject) != 0) merge_properties(a, b, out);
  if (out.shortest > out.longest) out.types &= static_cast<Types>(~kString);
  if (out.fewest_items > out.most_items) out.types &= static_cast<Types>(~kArray);
  if (out.fewest_properties > out.most_properties) out.types &= static_cast<Types>(~kObject);
  if (out.types == 0) return std::nullopt;
  return out;
}

}  // namespace lazyllm::grammar
