// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "grammar/schema_form.h"

namespace lazyllm::grammar {

/// Resolves $ref, allOf, anyOf and oneOf: a place becomes a list of forms, of which a value must
/// fulfil one. oneOf is accepted where no value can fulfil two of its alternatives.
class SchemaExpander {
 public:
  /// Alternatives of one place.
  static constexpr size_t kMostForms = 128;

  explicit SchemaExpander(const SchemaDocument& document) : document_(document) {}

  /// Errors: Error(invalid_input) naming the schema and what cannot be done with it.
  std::vector<Form> expand(const Schemas& schemas);
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
  const Json& list(const Json& schema, const char* keyword);
  void spend(const Json& schema, size_t work);

  bool disjoint(const Forms& a, const Forms& b);
  bool disjoint(const Form& a, const Form& b);
  bool disjoint_objects(const Form& a, const Form& b);
  bool disjoint(const Schemas& a, const Schemas& b);

  const SchemaDocument& document_;
  std::vector<const Json*> path_;  ///< schemas being expanded
  size_t work_ = 0;
  int comparing_ = 0;  ///< how deep inside a comparison of alternatives; there oneOf reads as anyOf
};

}  // namespace lazyllm::grammar
