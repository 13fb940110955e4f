// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "grammar/schema_form.h"
#include "grammar/schema_negation.h"

namespace lazyllm::grammar {

/// Resolves $ref, allOf, anyOf, oneOf, not, if and what depends on a property: a place becomes a
/// list of forms, of which a value must fulfil one. Of alternatives of oneOf that overlap, each
/// gets what the other rules out.
class SchemaExpander {
 public:
  /// Alternatives of one place.
  static constexpr size_t kMostForms = 128;

  SchemaExpander(const SchemaDocument& document, PatternBook& book)
      : document_(document), book_(book), negation_(document) {}

  /// Errors: Error(invalid_input) naming the schema and what cannot be done with it.
  std::vector<Form> expand(const Schemas& schemas);
  /// A form's arrays as alternatives without "contains" and "uniqueItems". Of arrays whose
  /// items fulfil "contains" late (behind the 16th item) or apart from each other not all.
  /// Errors: as expand(), also for what has too many alternatives.
  std::vector<Form> array_forms(const Form& form, const Json& place);
  /// True if a string, number, boolean or null fulfils the form's keywords for it, patterns and
  /// literals aside.
  static bool scalar_fulfils(const Json& value, const Form& form);

 private:
  using Forms = std::vector<Form>;

  Forms forms_of(const Json& schema);
  Forms forms_of_object(const Json& schema);
  Forms all_pairs(const Json& schema, const Forms& a, const Forms& b);
  Forms any_of(const Json& schema, const Json& alternatives);
  Forms one_of(const Json& schema, const Json& alternatives, const Forms& base);
  Forms if_then_else(const Json& schema);
  Forms dependents(const Json& schema, const char* keyword, Forms base);
  const Json& keep(Json schema);
  Forms with_unique_items(Form form, const Json& place);
  Forms with_contained_items(Form form, const ContainsRule& rule, const Json& place);
  std::vector<const Json*> values_of(const Schemas& schemas, const Json& place);
  const Json& list(const Json& schema, const char* keyword);
  void spend(const Json& schema, size_t work);

  bool disjoint(const Forms& a, const Forms& b);
  bool disjoint(const Form& a, const Form& b);
  bool disjoint_objects(const Form& a, const Form& b);
  bool disjoint(const Schemas& a, const Schemas& b);

  const SchemaDocument& document_;
  PatternBook& book_;
  SchemaNegation negation_;
  std::map<std::string, Json> made_;  ///< schemas written here, by their text; places stay
  std::vector<const Json*> path_;     ///< schemas being expanded
  size_t work_ = 0;
  int comparing_ = 0;  ///< how deep inside a comparison of alternatives; there oneOf reads as anyOf
};

}  // namespace lazyllm::grammar
