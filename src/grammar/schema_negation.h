// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "grammar/schema_document.h"

namespace lazyllm::grammar {

/// Keyword of schemas made here: a pattern that must not occur. In a schema of the user it would
/// demand the same.
inline constexpr const char* kUnlike = "\x01unlike";
/// Type made here: numbers that are no integers.
inline constexpr const char* kFractionType = "\x01fraction";

/// Writes what a schema rules out as a schema: exactly the values that do not fulfil it. "not" goes
/// down to the leaves, a step each time it is asked for, so schemas that refer to themselves end.
class SchemaNegation {
 public:
  explicit SchemaNegation(const SchemaDocument& document) : document_(document) {}

  /// Stays as long as this object does. Errors: Error(invalid_input) naming the schema and the
  /// keyword that cannot be turned round.
  const Json& of(const Json& schema);

 private:
  Json alternatives(const Json& schema, int references);
  void add_numbers(const Json& values, Json& list);
  void add_literals(const Json& schema, const Json& values, Json& list);
  void add_objects(const Json& schema, const std::string& keyword, const Json& value, Json& list);
  bool add_bound(const std::string& keyword, const Json& value, Json& list);
  void add_keyword(const Json& schema, const std::string& keyword, const Json& value, Json& list);

  const SchemaDocument& document_;
  std::map<std::string, Json> made_;  ///< by the text of what is negated; places stay
};

}  // namespace lazyllm::grammar
