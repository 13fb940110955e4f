// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "grammar/pattern_book.h"
#include "grammar/schema_form.h"

namespace lazyllm::grammar {

/// Names that are not declared and what their values must fulfil.
struct NameGroup {
  CharacterAutomaton names;
  Schemas schemas;
};

/// The further names of an object, by what of "patternProperties" they match: no name is in two
/// groups. `allowed`: by "propertyNames", or null. Errors: Error(invalid_input) for too many.
std::vector<NameGroup> group_names(const Form& form, const CharacterAutomaton* allowed,
                                   PatternBook& book);

}  // namespace lazyllm::grammar
