// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_expander.h"

#include <algorithm>
#include <cmath>

namespace lazyllm::grammar {
namespace {

constexpr size_t kLongestPath = 100;
/// Parts of forms that may be merged in all.
constexpr size_t kMostWork = 1'000'000;
/// Properties inside properties that are looked at to tell two objects apart.
constexpr int kDeepestComparison = 3;

bool literal_fulfils(const Json& value, const Form& form) {
  if ((type_of(value) & form.types) == 0) return false;
  if (form.literals && std::none_of(form.literals->begin(), form.literals->end(),
                                    [&](const Json* other) { return same_value(value, *other); })) {
    return false;
  }
  return value.is_structured() || SchemaExpander::scalar_fulfils(value, form);
}

bool disjoint_literals(const Form& a, const Form& b) {
  return std::none_of(a.literals->begin(), a.literals->end(), [&](const Json* value) {
    return (type_of(*value) & a.types) != 0 && literal_fulfils(*value, b);
  });
}

bool disjoint_numbers(const NumberBounds& a, const NumberBounds& b) {
  constexpr double kExact = 9007199254740992.0;
  const auto below = [](const NumberBounds& low, const NumberBounds& high) {
    if (low.upper < high.lower) return true;
    return low.upper == high.lower && (low.upper_excluded || high.lower_excluded) &&
           std::abs(low.upper) < kExact;
  };
  return below(a, b) || below(b, a);
}

bool disjoint_counts(uint32_t a_first, uint32_t a_last, uint32_t b_first, uint32_t b_last) {
  return a_last < b_first || b_last < a_first;
}

}  // namespace

bool SchemaExpander::scalar_fulfils(const Json& value, const Form& form) {
  if (value.is_number()) {
    const double number = value.get<double>();
    const NumberBounds& bounds = form.number;
    if (number < bounds.lower || (bounds.lower_excluded && number == bounds.lower)) return false;
    if (number > bounds.upper || (bounds.upper_excluded && number == bounds.upper)) return false;
    if (bounds.decimal_step != 1) {  // a binary fraction: exact in a double
      const double step =
          static_cast<double>(bounds.decimal_step) / static_cast<double>(NumberRule::kUnit);
      if (std::fmod(number, step) != 0.0) return false;
      if (type_of(value) == kFraction) return true;
    }
    if (bounds.step == 1) return true;
    if (value.is_number_unsigned()) return value.get<uint64_t>() % bounds.step == 0;
    if (value.is_number_integer()) return value.get<int64_t>() % bounds.step == 0;
    return std::fmod(number, static_cast<double>(bounds.step)) == 0.0;
  }
  if (!value.is_string()) return true;
  const auto& text = value.get_ref<const std::string&>();
  const auto length = static_cast<uint32_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
  return length >= form.shortest && length <= form.longest;
}

void SchemaExpander::spend(const Json& schema, size_t work) {
  work_ += work;
  if (work_ > kMostWork) {
    document_.refuse(schema, "its alternatives and references multiply to too many; simplify it");
  }
}

std::vector<Form> SchemaExpander::expand(const Schemas& schemas) {
  std::vector<const Json*> outer;
  outer.swap(path_);
  Forms result(1);
  for (const Json* schema : schemas) result = all_pairs(*schema, result, forms_of(*schema));
  path_.swap(outer);
  return result;
}

SchemaExpander::Forms SchemaExpander::forms_of(const Json& schema) {
  if (schema.is_boolean()) return Forms(schema.get<bool>() ? 1 : 0);
  if (!schema.is_object()) {
    document_.refuse(schema, "a schema must be an object, true or false");
  }
  if (std::find(path_.begin(), path_.end(), &schema) != path_.end()) {
    document_.refuse(schema, "it refers back to itself without a property or an item in between");
  }
  if (path_.size() >= kLongestPath) {
    document_.refuse(schema, "references and alternatives are nested more than {} deep",
                     kLongestPath);
  }
  path_.push_back(&schema);
  Forms result = forms_of_object(schema);
  path_.pop_back();
  return result;
}

SchemaExpander::Forms SchemaExpander::forms_of_object(const Json& schema) {
  Forms result = {read_form(document_, schema, book_)};
  spend(schema, result[0].weight());
  if (result[0].types == 0 || result[0].shortest > result[0].longest ||
      result[0].fewest_items > result[0].most_items) {
    result = all_pairs(schema, Forms(1), result);
  }
  if (schema.contains("$ref")) {
    result = all_pairs(schema, result, forms_of(document_.resolve(schema)));
  }
  if (schema.contains("allOf")) {
    for (const Json& part : list(schema, "allOf")) {
      result = all_pairs(schema, result, forms_of(part));
    }
  }
  if (schema.contains("anyOf")) {
    result = all_pairs(schema, result, any_of(schema, list(schema, "anyOf")));
  }
  if (const auto ruled_out = schema.find("not"); ruled_out != schema.end()) {
    result = all_pairs(schema, result, forms_of(negation_.of(*ruled_out)));
  }
  if (schema.contains("if")) result = all_pairs(schema, result, if_then_else(schema));
  for (const char* keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    if (schema.contains(keyword)) result = dependents(schema, keyword, std::move(result));
  }
  if (schema.contains("oneOf")) result = one_of(schema, list(schema, "oneOf"), result);
  return result;
}

const Json& SchemaExpander::keep(Json schema) {
  std::string text = schema.dump();
  return made_.try_emplace(std::move(text), std::move(schema)).first->second;
}

SchemaExpander::Forms SchemaExpander::if_then_else(const Json& schema) {
  const Json& condition = schema.at("if");
  Forms result = forms_of(condition);
  if (schema.contains("then")) {
    result = all_pairs(schema, result, forms_of(schema.at("then")));
  }
  if (!schema.contains("then") && !schema.contains("else")) return Forms(1);
  Forms otherwise = forms_of(negation_.of(condition));
  if (schema.contains("else")) {
    otherwise = all_pairs(schema, otherwise, forms_of(schema.at("else")));
  }
  std::move(otherwise.begin(), otherwise.end(), std::back_inserter(result));
  return result;
}

/// For each property there named: it is absent, or what depends on it holds too.
SchemaExpander::Forms SchemaExpander::dependents(const Json& schema, const char* keyword,
                                                 Forms base) {
  const Json& properties = schema.at(keyword);
  if (!properties.is_object()) document_.refuse(schema, "\"{}\" must be an object", keyword);
  for (const auto& [name, part] : properties.items()) {
    Json present = {{"required", Json::array({name})}};
    if (part.is_array()) {
      for (const Json& other : part) present["required"].push_back(other);
    } else if (part.is_string()) {  // draft 3
      present["required"].push_back(part);
    } else {
      present["allOf"] = Json::array({part});
    }
    // A value that is no object has no properties.
    const Json absent = {{"not", {{"type", "object"}, {"required", Json::array({name})}}}};
    present["type"] = "object";
    const Json& both = keep({{"anyOf", Json::array({absent, present})}});
    base = all_pairs(schema, base, forms_of(both));
  }
  return base;
}

const Json& SchemaExpander::list(const Json& schema, const char* keyword) {
  const Json& value = schema.at(keyword);
  if (!value.is_array() || value.empty()) {
    document_.refuse(schema, "\"{}\" must be a list of schemas, at least one", keyword);
  }
  return value;
}

SchemaExpander::Forms SchemaExpander::all_pairs(const Json& schema, const Forms& a,
                                                const Forms& b) {
  Forms result;
  for (const Form& first : a) {
    for (const Form& second : b) {
      spend(schema, first.weight() + second.weight());
      if (auto merged = merge(first, second)) result.push_back(std::move(*merged));
    }
  }
  if (result.size() > kMostForms) {
    document_.refuse(schema, "it has more than {} alternatives; the limit is {}", result.size() - 1,
                     kMostForms);
  }
  return result;
}

SchemaExpander::Forms SchemaExpander::any_of(const Json& schema, const Json& alternatives) {
  Forms result;
  for (const Json& alternative : alternatives) {
    for (Form& form : forms_of(alternative)) result.push_back(std::move(form));
    if (result.size() > kMostForms) {
      document_.refuse(schema, "it has more than {} alternatives", kMostForms);
    }
  }
  return result;
}

SchemaExpander::Forms SchemaExpander::one_of(const Json& schema, const Json& alternatives,
                                             const Forms& base) {
  if (comparing_ > 0) return all_pairs(schema, base, any_of(schema, alternatives));
  std::vector<Forms> forms;
  size_t total = 0;
  for (const Json& alternative : alternatives) {
    forms.push_back(all_pairs(schema, base, forms_of(alternative)));
    total += forms.back().size();
    if (total > kMostForms) {
      document_.refuse(schema, "it has more than {} alternatives", kMostForms);
    }
  }
  std::vector<Forms> apart = forms;
  for (size_t i = 0; i < forms.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (disjoint(forms[i], forms[j])) continue;
      try {
        apart[i] = all_pairs(schema, apart[i], forms_of(negation_.of(alternatives[j])));
        apart[j] = all_pairs(schema, apart[j], forms_of(negation_.of(alternatives[i])));
      } catch (const Error& error) {
        document_.refuse(schema,
                         "a value could fulfil both alternatives {} and {} of \"oneOf\"; use "
                         "\"anyOf\", or give them different types or a required property whose "
                         "\"const\" or \"enum\" tells them apart ({})",
                         j, i, error.what());
      }
    }
  }
  Forms result;
  for (Forms& some : apart) std::move(some.begin(), some.end(), std::back_inserter(result));
  if (result.size() > kMostForms) {
    document_.refuse(schema, "it has more than {} alternatives", kMostForms);
  }
  return result;
}

bool SchemaExpander::disjoint(const Forms& a, const Forms& b) {
  return std::all_of(a.begin(), a.end(), [&](const Form& first) {
    return std::all_of(b.begin(), b.end(),
                       [&](const Form& second) { return disjoint(first, second); });
  });
}

/// True if it is certain that no value fulfils both.
bool SchemaExpander::disjoint(const Form& a, const Form& b) {
  spend(document_.root(), a.weight() + b.weight());
  if ((a.types & b.types) == 0) return true;
  if (a.literals) return disjoint_literals(a, b);
  if (b.literals) return disjoint_literals(b, a);
  const Types common = a.types & b.types;
  if ((common & (kNull | kBoolean)) != 0) return false;
  if ((common & kNumber) != 0 && !disjoint_numbers(a.number, b.number)) return false;
  if ((common & kString) != 0 && !disjoint_counts(a.shortest, a.longest, b.shortest, b.longest)) {
    return false;
  }
  if ((common & kArray) != 0 &&
      !disjoint_counts(a.fewest_items, a.most_items, b.fewest_items, b.most_items)) {
    return false;
  }
  return (common & kObject) == 0 || disjoint_objects(a, b);
}

/// Looks for a property that one of them requires and whose values tell them apart.
bool SchemaExpander::disjoint_objects(const Form& a, const Form& b) {
  const auto tells_apart = [&](const std::string& name) {
    return disjoint(a.property(name), b.property(name));
  };
  return std::any_of(a.required.begin(), a.required.end(), tells_apart) ||
         std::any_of(b.required.begin(), b.required.end(), tells_apart);
}

bool SchemaExpander::disjoint(const Schemas& a, const Schemas& b) {
  if (comparing_ >= kDeepestComparison) return false;
  ++comparing_;
  const bool result = disjoint(expand(a), expand(b));
  --comparing_;
  return result;
}

}  // namespace lazyllm::grammar
