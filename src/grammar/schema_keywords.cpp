// SPDX-License-Identifier: Apache-2.0
// What a schema's own keywords say.
#include <algorithm>
#include <array>
#include <cmath>

#include "grammar/schema_form.h"
#include "grammar/schema_negation.h"
#include "grammar/string_formats.h"

namespace lazyllm::grammar {
namespace {

constexpr std::array<std::string_view, 6> kRefused = {
    "unevaluatedProperties", "$dynamicRef", "unevaluatedItems",
    "$recursiveRef",         "disallow",    "extends",
};

constexpr std::string_view kSupported =
    "supported are type, properties, required, additionalProperties, patternProperties, "
    "propertyNames, minProperties, maxProperties, dependentRequired, dependentSchemas, items, "
    "prefixItems, minItems, maxItems, uniqueItems, contains, "
    "enum, const, anyOf, oneOf, allOf, not, if, $ref, $defs, minLength, maxLength, pattern, "
    "format, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf and nullable";

/// True if the keyword demands nothing as it stands.
bool demands_nothing(std::string_view keyword, const Json& value) {
  return keyword.starts_with("unevaluated") && value == true;
}

class KeywordReader {
 public:
  KeywordReader(const SchemaDocument& document, const Json& schema, PatternBook& book)
      : document_(document), schema_(schema), book_(book) {}

  Form read() {
    check_keywords();
    read_types();
    read_literals();
    read_numbers();
    read_strings();
    read_items();
    read_properties();
    return std::move(form_);
  }

 private:
  template <typename... Arguments>
  [[noreturn]] void refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    document_.refuse(schema_, format, std::forward<Arguments>(arguments)...);
  }

  void check_keywords() {
    for (const auto& [keyword, value] : schema_.items()) {
      const bool refused = std::find(kRefused.begin(), kRefused.end(), keyword) != kRefused.end();
      if (refused && !demands_nothing(keyword, value)) {
        refuse("\"{}\" is not supported; {}", keyword, kSupported);
      }
      // References inside would be meant relative to it.
      const bool moves =
          keyword == "$id" && &schema_ != &document_.root() &&
          !(value.is_string() && value.get_ref<const std::string&>().starts_with('#'));
      if (moves && has_references(schema_)) {
        refuse("\"$id\" below the root is not supported together with \"$ref\" inside");
      }
    }
  }

  const Json* find(const char* keyword, Types speaks_of) {
    const auto found = schema_.find(keyword);
    if (found == schema_.end()) return nullptr;
    form_.mentioned |= speaks_of;
    return &*found;
  }

  /// A place for values: a schema.
  Schemas schemas(const Json& schema) {
    if (schema.is_boolean() && schema.get<bool>()) return {};
    if (!schema.is_object() && !schema.is_boolean()) {
      document_.refuse(schema, "a schema must be an object, true or false");
    }
    return {&schema};
  }

  Types type_named(const Json& name) {
    constexpr std::array<std::pair<std::string_view, Types>, 7> kNames = {{{"null", kNull},
                                                                           {"boolean", kBoolean},
                                                                           {"integer", kInteger},
                                                                           {"number", kNumber},
                                                                           {"string", kString},
                                                                           {"array", kArray},
                                                                           {"object", kObject}}};
    for (const auto& [spelling, types] : kNames) {
      if (name == spelling) return types;
    }
    if (name == kFractionType) return kFraction;
    refuse(
        "\"type\" must be null, boolean, integer, number, string, array, object or a list of them");
  }

  void read_types() {
    const Json* type = find("type", 0);
    if (type == nullptr) return;
    form_.types = 0;
    if (type->is_array()) {
      for (const Json& name : *type) form_.types |= type_named(name);
    } else {
      form_.types = type_named(*type);
    }
    const Json* nullable = find("nullable", 0);  // OpenAPI's
    if (nullable != nullptr && *nullable == true) form_.types |= kNull;
  }

  void restrict_literals(std::vector<const Json*> values) {
    if (form_.literals) {
      std::erase_if(values, [&](const Json* value) {
        return std::none_of(form_.literals->begin(), form_.literals->end(),
                            [&](const Json* other) { return same_value(*value, *other); });
      });
    }
    form_.literals = std::move(values);
    Types types = 0;
    for (const Json* value : *form_.literals) types |= type_of(*value);
    form_.types &= types;
  }

  void read_literals() {
    if (const Json* values = find("enum", 0)) {
      if (!values->is_array()) refuse("\"enum\" must be a list");
      std::vector<const Json*> list;
      for (const Json& value : *values) list.push_back(&value);
      restrict_literals(std::move(list));
    }
    if (const Json* value = find("const", 0)) restrict_literals({value});
  }

  const Json* number(const char* keyword) {
    const Json* value = find(keyword, kNumber);
    if (value != nullptr && !value->is_number()) refuse("\"{}\" must be a number", keyword);
    return value;
  }

  void read_numbers() {
    NumberBounds& bounds = form_.number;
    if (const Json* value = number("minimum")) bounds.set_lower(*value, false);
    if (const Json* value = number("maximum")) bounds.set_upper(*value, false);
    if (const Json* value = number("exclusiveMinimum")) bounds.set_lower(*value, true);
    if (const Json* value = number("exclusiveMaximum")) bounds.set_upper(*value, true);
    const Json* step = number("multipleOf");
    if (step == nullptr) return;
    const double value = step->get<double>();
    if (value > 0 && value < kLargestFraction && value != std::floor(value)) {
      return set_fractional_step(value);
    }
    if (value != std::floor(value) || value < 1 || value > 1e15) {
      refuse("\"multipleOf\" is supported for whole numbers from 1 to 10^15");
    }
    // Of a whole number only whole numbers are multiples.
    form_.types &= static_cast<Types>(~kFraction);
    bounds.set_step(static_cast<Int128>(value));
  }

  static constexpr double kLargestFraction = 1e6;

  /// Halves, quarters, ... only: of 0.1 and its like readers do not agree what is a multiple, since
  /// they compute with doubles.
  void set_fractional_step(double value) {
    double whole = value;
    Int128 parts = 1;
    for (; whole != std::floor(whole); whole *= 2) {
      if (parts == Int128{1} << NumberRule::kDecimals) {
        refuse(
            "\"multipleOf\" is supported for whole numbers and for binary fractions (0.5, 0.25, "
            "1.5); of others readers do not agree what their multiples are");
      }
      parts *= 2;
    }
    const auto multiple = static_cast<Int128>(whole);
    form_.number.set_step(multiple);  // an integer is a multiple of n/2^k if it is one of odd n
    form_.number.set_decimal_step(multiple * (NumberRule::kUnit / parts));
  }

  uint32_t count(const char* keyword, Types speaks_of, uint32_t otherwise) {
    const Json* value = find(keyword, speaks_of);
    if (value == nullptr) return otherwise;
    const double number = value->is_number() ? value->get<double>() : -1;
    if (number < 0 || number != std::floor(number)) {
      refuse("\"{}\" must be a whole number of at least 0", keyword);
    }
    constexpr double kMost = kUnbounded - 1.0;
    return static_cast<uint32_t>(std::min(number, kMost));
  }

  void read_strings() {
    form_.shortest = count("minLength", kString, 0);
    form_.longest = count("maxLength", kString, kUnbounded);
    read_format();
    for (const char* keyword : {"pattern", kUnlike}) {
      const Json* pattern = find(keyword, kString);
      if (pattern == nullptr) continue;
      if (!pattern->is_string()) refuse("\"pattern\" must be a text");
      form_.patterns.push_back({&schema_, keyword == kUnlike});
    }
  }

  void read_format() {
    const auto format = schema_.find("format");
    if (format == schema_.end() || !format->is_string()) return;
    std::string pattern = pattern_of_format(format->get_ref<const std::string&>());
    if (pattern.empty()) return;
    form_.mentioned |= kString;
    form_.formats.push_back(std::move(pattern));
  }

  void read_items() {
    const Json* first = find("prefixItems", kArray);
    const Json* items = find("items", kArray);
    if (first == nullptr && items != nullptr && items->is_array()) {  // before draft 2020-12
      first = items;
      items = find("additionalItems", kArray);
    }
    if (first != nullptr) {
      if (!first->is_array()) refuse("\"prefixItems\" must be a list of schemas");
      for (const Json& item : *first) form_.first_items.push_back(schemas(item));
    }
    if (items != nullptr) form_.further_items = schemas(*items);
    form_.fewest_items = count("minItems", kArray, 0);
    form_.most_items = count("maxItems", kArray, kUnbounded);
    const Json* unique = find("uniqueItems", kArray);
    if (unique != nullptr && !unique->is_boolean()) refuse("\"uniqueItems\" must be true or false");
    form_.unique_items = unique != nullptr && unique->get<bool>();
    const Json* contained = find("contains", kArray);
    if (contained == nullptr) return;  // then minContains and maxContains say nothing
    ContainsRule rule;
    rule.schemas = schemas(*contained);
    rule.fewest = count("minContains", kArray, 1);
    rule.most = count("maxContains", kArray, kUnbounded);
    if (rule.fewest > 0 || rule.most < kUnbounded) form_.contains.push_back(std::move(rule));
  }

  void read_name_patterns() {
    const Json* patterns = find("patternProperties", kObject);
    if (patterns == nullptr) return;
    if (!patterns->is_object()) refuse("\"patternProperties\" must be an object");
    if (patterns->empty()) return;
    NameRule rule;
    for (const auto& [pattern, schema] : patterns->items()) {
      Schemas wanted = schemas(schema);
      try {
        rule.patterns.push_back({&book_.like(pattern), std::move(wanted)});
      } catch (const Error& error) {
        if (error.code() != ErrorCode::invalid_input) throw;
        refuse("{}", error.what());
      }
    }
    rule.others = std::exchange(form_.additional, {});
    form_.name_rules.push_back(std::move(rule));
  }

  void read_properties() {
    if (const Json* further = find("additionalProperties", kObject)) {
      form_.additional = schemas(*further);
    }
    read_name_patterns();
    if (const Json* names = find("propertyNames", kObject)) form_.name_schemas = schemas(*names);
    if (const Json* properties = find("properties", kObject)) {
      if (!properties->is_object()) refuse("\"properties\" must be an object");
      for (const auto& [name, schema] : properties->items()) {
        Schemas all = schemas(schema);
        for (const NameRule& rule : form_.name_rules) {
          for (const NamePattern& pattern : rule.patterns) {
            if (pattern.names->matches(name)) all = both(all, pattern.schemas);
          }
        }
        form_.add_property(name, std::move(all));
      }
    }
    form_.fewest_properties = count("minProperties", kObject, 0);
    form_.most_properties = count("maxProperties", kObject, kUnbounded);
    const Json* required = find("required", kObject);
    if (required == nullptr) return;
    if (!required->is_array()) refuse("\"required\" must be a list of names");
    for (const Json& name : *required) {
      if (!name.is_string()) refuse("\"required\" must be a list of names");
      form_.add_required(name.get<std::string>());
    }
  }

  const SchemaDocument& document_;
  const Json& schema_;
  PatternBook& book_;
  Form form_;
};

}  // namespace

Form read_form(const SchemaDocument& document, const Json& schema, PatternBook& book) {
  return KeywordReader(document, schema, book).read();
}

}  // namespace lazyllm::grammar
