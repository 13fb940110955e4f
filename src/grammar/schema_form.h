// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/pattern_book.h"
#include "grammar/schema_document.h"

namespace lazyllm::grammar {

/// Kinds of values, one bit each. A "number" is an integer or a fraction.
using Types = uint8_t;
inline constexpr Types kNull = 1, kBoolean = 2, kInteger = 4, kFraction = 8, kString = 16,
                       kArray = 32, kObject = 64;
inline constexpr Types kNumber = kInteger | kFraction;
inline constexpr Types kAllTypes = 127;

/// Schemas that hold together, parts of one document: sorted, none twice. No schema: any value.
using Schemas = std::vector<const Json*>;
Schemas both(const Schemas& a, const Schemas& b);

/// "contains": how many items fulfil the schemas.
struct ContainsRule {
  Schemas schemas;
  uint32_t fewest = 1, most = kUnbounded;
  bool operator==(const ContainsRule&) const = default;
};

struct NumberBounds {
  /// As the document has them, for comparing schemas.
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  bool lower_excluded = false, upper_excluded = false;
  /// What fulfils them among 64-bit integers and among decimals, see NumberRule.
  Int128 first_integer = INT64_MIN, last_integer = INT64_MAX;
  Int128 first_decimal = -kLastDecimal, last_decimal = kLastDecimal;
  Int128 step = 1;
  Int128 decimal_step = 1;  ///< in units of a decimal
  bool bounded = false;     ///< from either side

  static constexpr Int128 kLastDecimal = NumberRule::kUnit * NumberRule::kUnit - 1;

  void set_lower(const Json& bound, bool excluded);
  void set_upper(const Json& bound, bool excluded);
  /// False if the common step grows too large.
  bool set_step(Int128 other);
  bool set_decimal_step(Int128 other);
  bool merge(const NumberBounds& other);
};

/// A pattern, by the schema that has it.
struct TextRule {
  const Json* schema = nullptr;
  bool unlike = false;  ///< it must not occur
  bool operator==(const TextRule&) const = default;
};

/// "patternProperties" of one schema: what further names match, and what the values of those that
/// match nothing must fulfil.
struct NamePattern {
  const CharacterAutomaton* names = nullptr;
  Schemas schemas;
  bool operator==(const NamePattern&) const = default;
};
struct NameRule {
  std::vector<NamePattern> patterns;
  Schemas others;
  bool operator==(const NameRule&) const = default;
};

/// What one alternative of a schema demands: all of it holds.
struct Form {
  Types types = kAllTypes;
  Types mentioned = 0;                               ///< types that its keywords speak of
  std::optional<std::vector<const Json*>> literals;  ///< enum, const
  NumberBounds number;

  uint32_t shortest = 0, longest = kUnbounded;
  std::vector<TextRule> patterns;
  std::vector<std::string> formats;  ///< as patterns; kept where they leave a text

  std::vector<Schemas> first_items;
  Schemas further_items;
  uint32_t fewest_items = 0, most_items = kUnbounded;
  bool unique_items = false;
  std::vector<ContainsRule> contains;

  std::vector<std::pair<std::string, Schemas>> properties;  ///< in order
  std::unordered_map<std::string, size_t> property_index;
  std::vector<std::string> required;
  Schemas additional;
  std::vector<NameRule> name_rules;
  Schemas name_schemas;  ///< "propertyNames"
  uint32_t fewest_properties = 0, most_properties = kUnbounded;

  /// What the property must fulfil.
  Schemas property(const std::string& name) const;
  /// What one must fulfil that is not declared; matches(automaton): whether its name does.
  template <typename Matches>
  Schemas further_property(const Matches& matches) const {
    Schemas schemas = additional;
    for (const NameRule& rule : name_rules) {
      bool matched = false;
      for (const NamePattern& pattern : rule.patterns) {
        if (!matches(*pattern.names)) continue;
        schemas = both(schemas, pattern.schemas);
        matched = true;
      }
      if (!matched) schemas = both(schemas, rule.others);
    }
    return schemas;
  }
  void add_property(const std::string& name, Schemas schemas);
  void add_required(const std::string& name);
  const Schemas& item(size_t index) const {
    return index < first_items.size() ? first_items[index] : further_items;
  }
  /// About how much work it is to merge it.
  size_t weight() const;

 private:
  std::unordered_set<std::string> required_names_;
};

/// Both together; nothing if no value can fulfil both.
std::optional<Form> merge(const Form& a, const Form& b);

/// The form of a schema's own keywords, without $ref, allOf, anyOf and oneOf.
/// Errors: Error(invalid_input) for keywords that are not supported or malformed.
Form read_form(const SchemaDocument& document, const Json& schema, PatternBook& book);

/// The type of a JSON value.
Types type_of(const Json& value);

}  // namespace lazyllm::grammar
