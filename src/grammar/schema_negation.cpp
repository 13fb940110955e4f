// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_negation.h"

#include <algorithm>
#include <array>

#include "grammar/pattern_book.h"

namespace lazyllm::grammar {
namespace {

constexpr int kMostNegatedReferences = 50;
constexpr size_t kMostLiterals = 200, kMostPairs = 8;

constexpr std::array kTypes = {"null", "boolean", "number", "string", "array", "object"};

Json not_this(const Json& schema) {
  return {{"not", schema}};
}

Json typed(const char* type, const std::string& keyword, const Json& value) {
  return {{"type", type}, {keyword, value}};
}

/// An object that has the property, or has it not.
Json with_property(const std::string& name) {
  return {{"type", "object"}, {"required", Json::array({name})}};
}
Json without_property(const std::string& name) {
  return {{"type", "object"}, {"properties", {{name, false}}}};
}

bool demands_nothing(const Json& schema) {
  return schema == true || (schema.is_object() && schema.empty());
}

/// Whether a keyword that is not known below demands something.
bool is_plain(const std::string& keyword) {
  constexpr std::array kDemanding = {
      "patternProperties", "propertyNames", "contains",    "unevaluatedProperties",
      "unevaluatedItems",  "uniqueItems",   "$dynamicRef", "$recursiveRef",
      "disallow",          "extends",       "multipleOf",  "nullable",
      "additionalItems",   "prefixItems",   kUnlike};
  return std::find(kDemanding.begin(), kDemanding.end(), keyword) == kDemanding.end();
}

Json types_besides(const Json& types) {
  Json list = types.is_array() ? types : Json::array({types});
  const auto has = [&](const char* name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  Json others = Json::array();
  for (const char* type : kTypes) {
    if (!has(type)) others.push_back(type);
  }
  // An integer is a number too.
  const auto number = std::find(others.begin(), others.end(), "number");
  if (number == others.end()) return others;
  if (has("integer")) *number = has(kFractionType) ? Json() : Json(kFractionType);
  if (!has("integer") && has(kFractionType)) *number = "integer";
  if (number->is_null()) others.erase(number);
  return others;
}

}  // namespace

const Json& SchemaNegation::of(const Json& schema) {
  const auto [found, is_new] = made_.try_emplace(schema.dump());
  if (!is_new) return found->second;
  Json list;
  try {
    list = alternatives(schema, 0);
  } catch (...) {
    made_.erase(found);
    throw;
  }
  if (list.empty()) {
    found->second = false;
  } else {
    found->second = list.size() == 1 ? list[0] : Json{{"anyOf", std::move(list)}};
  }
  return found->second;
}

/// Each is a way not to fulfil the schema.
Json SchemaNegation::alternatives(const Json& schema, int references) {
  if (schema.is_boolean()) return schema.get<bool>() ? Json::array() : Json::array({true});
  if (!schema.is_object()) document_.refuse(schema, "a schema must be an object, true or false");
  if (references > kMostNegatedReferences) {
    document_.refuse(schema, "it refers back to itself without a property or an item in between");
  }
  Json list = Json::array();
  for (const auto& [keyword, value] : schema.items()) {
    if (keyword == "$ref") {
      for (Json& other : alternatives(document_.resolve(schema), references + 1))
        list.push_back(std::move(other));
    } else {
      add_keyword(schema, keyword, value, list);
    }
  }
  return list;
}

void SchemaNegation::add_keyword(const Json& schema, const std::string& keyword, const Json& value,
                                 Json& list) {
  const auto refuse = [&] {
    document_.refuse(schema,
                     "\"{}\" is not supported where it is ruled out (\"not\", \"if\", "
                     "alternatives of \"oneOf\" that overlap)",
                     keyword);
  };
  const bool is_list = keyword == "enum" || keyword == "allOf" || keyword == "anyOf" ||
                       keyword == "oneOf" || keyword == "required";
  if (is_list && !value.is_array()) document_.refuse(schema, "\"{}\" must be a list", keyword);
  if (keyword == "type") {
    Json others = types_besides(value);
    if (!others.empty()) list.push_back({{"type", std::move(others)}});
  } else if (keyword == "enum") {
    add_literals(schema, value, list);
  } else if (keyword == "const") {
    add_literals(schema, Json::array({value}), list);
  } else if (keyword == "not") {
    list.push_back(value);
  } else if (keyword == "allOf") {
    for (const Json& part : value) list.push_back(not_this(part));
  } else if (keyword == "anyOf" || keyword == "oneOf") {
    Json none = Json::array();
    for (const Json& part : value) none.push_back(not_this(part));
    list.push_back({{"allOf", std::move(none)}});
    if (keyword == "oneOf") {  // or two of them at once
      if (value.size() > kMostPairs) refuse();
      for (size_t i = 0; i < value.size(); ++i) {
        for (size_t j = 0; j < i; ++j)
          list.push_back({{"allOf", Json::array({value[j], value[i]})}});
      }
    }
  } else if (keyword == "if") {
    const Json then = schema.value("then", Json(true)),
               otherwise = schema.value("else", Json(true));
    list.push_back({{"allOf", Json::array({value, not_this(then)})}});
    list.push_back({{"allOf", Json::array({not_this(value), not_this(otherwise)})}});
  } else if (keyword == "pattern") {
    list.push_back(typed("string", kUnlike, value));
  } else if (keyword == kUnlike) {
    list.push_back(typed("string", "pattern", value));
  } else if (keyword == "items" || keyword == "additionalProperties") {
    if (!demands_nothing(value)) refuse();
  } else if (keyword == "required" || keyword == "properties" || keyword.starts_with("depend")) {
    add_objects(schema, keyword, value, list);
  } else if (!add_bound(keyword, value, list) && !is_plain(keyword)) {
    refuse();
  }
}

/// False: the keyword is no bound.
bool SchemaNegation::add_bound(const std::string& keyword, const Json& value, Json& list) {
  struct Bound {
    const char *keyword, *type, *opposite;
  };
  constexpr std::array kNumbers = {Bound{"minimum", "number", "exclusiveMaximum"},
                                   Bound{"maximum", "number", "exclusiveMinimum"},
                                   Bound{"exclusiveMinimum", "number", "maximum"},
                                   Bound{"exclusiveMaximum", "number", "minimum"}};
  for (const Bound& bound : kNumbers) {
    if (keyword != bound.keyword) continue;
    list.push_back(typed(bound.type, bound.opposite, value));
    return true;
  }
  constexpr std::array kCounts = {Bound{"minLength", "string", "maxLength"},
                                  Bound{"maxLength", "string", "minLength"},
                                  Bound{"minItems", "array", "maxItems"},
                                  Bound{"maxItems", "array", "minItems"},
                                  Bound{"minProperties", "object", "maxProperties"},
                                  Bound{"maxProperties", "object", "minProperties"}};
  for (const Bound& bound : kCounts) {
    if (keyword != bound.keyword) continue;
    const bool least = keyword.starts_with("min");
    const double count = value.is_number() ? value.get<double>() : 0.0;
    if (least && count <= 0) return true;  // nothing has fewer than none
    list.push_back(typed(bound.type, bound.opposite, count + (least ? -1 : 1)));
    return true;
  }
  return false;
}

void SchemaNegation::add_objects(const Json& schema, const std::string& keyword, const Json& value,
                                 Json& list) {
  if (keyword == "required") {
    for (const Json& name : value) {
      if (!name.is_string()) document_.refuse(schema, "\"required\" must be a list of names");
      list.push_back(without_property(name));
    }
    return;
  }
  if (!value.is_object()) document_.refuse(schema, "\"{}\" must be an object", keyword);
  for (const auto& [name, part] : value.items()) {
    Json object = with_property(name);
    if (keyword == "properties") {
      object["properties"] = {{name, not_this(part)}};
      list.push_back(std::move(object));
    } else if (part.is_array()) {
      for (const Json& other : part) {
        list.push_back({{"allOf", Json::array({object, without_property(other)})}});
      }
    } else {
      object["allOf"] = Json::array({not_this(part)});
      list.push_back(std::move(object));
    }
  }
}

void SchemaNegation::add_numbers(const Json& values, Json& list) {
  std::vector<Json> numbers;
  for (const Json& value : values) {
    if (value.is_number()) numbers.push_back(value);
  }
  if (numbers.empty()) return;
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i <= numbers.size(); ++i) {
    Json between = {{"type", "number"}};
    if (i > 0) between["exclusiveMinimum"] = numbers[i - 1];
    if (i < numbers.size()) between["exclusiveMaximum"] = numbers[i];
    list.push_back(std::move(between));
  }
}

void SchemaNegation::add_literals(const Json& schema, const Json& values, Json& list) {
  if (values.size() > kMostLiterals) {
    document_.refuse(schema, "more than {} values cannot be ruled out at once", kMostLiterals);
  }
  Json others = Json::array();
  const auto any = [&](const auto& is) { return std::any_of(values.begin(), values.end(), is); };
  if (any([](const Json& value) { return value.is_structured(); })) {
    document_.refuse(schema,
                     "arrays and objects among values that are ruled out are not supported");
  }
  if (!any([](const Json& value) { return value.is_null(); })) others.push_back("null");
  if (!any([](const Json& value) { return value.is_number(); })) others.push_back("number");
  for (const bool truth : {false, true}) {
    if (!any([&](const Json& value) { return value == truth; })) list.push_back({{"const", truth}});
  }
  std::vector<std::string> words;
  for (const Json& value : values) {
    if (value.is_string()) words.push_back(value.get<std::string>());
  }
  if (words.empty()) {
    others.push_back("string");
  } else {
    list.push_back(typed("string", kUnlike, pattern_of_texts(words)));
  }
  others.push_back("array");
  others.push_back("object");
  list.push_back({{"type", std::move(others)}});
  add_numbers(values, list);
}

}  // namespace lazyllm::grammar
