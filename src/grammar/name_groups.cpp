// SPDX-License-Identifier: Apache-2.0
#include "grammar/name_groups.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::grammar {
namespace {

constexpr size_t kMostGroups = 32;

using Names = std::vector<const CharacterAutomaton*>;

struct Part {
  CharacterAutomaton names;
  Names matched;
};

/// All names but the declared ones.
CharacterAutomaton further_names(const Form& form, const CharacterAutomaton* allowed,
                                 PatternBook& book) {
  PatternBudget& budget = book.budget();
  CharacterAutomaton names = CharacterAutomaton::of_length(0, kUnbounded, budget);
  std::vector<std::string> declared;
  for (const auto& property : form.properties) declared.push_back(property.first);
  if (!declared.empty()) names = book.unlike(pattern_of_texts(declared));
  return allowed == nullptr ? names : CharacterAutomaton::both(names, *allowed, budget);
}

std::vector<Part> split(std::vector<Part> parts, const CharacterAutomaton& pattern,
                        PatternBudget& budget) {
  const CharacterAutomaton others = CharacterAutomaton::besides(pattern, budget);
  std::vector<Part> result;
  for (Part& part : parts) {
    Part with{CharacterAutomaton::both(part.names, pattern, budget), part.matched};
    with.matched.push_back(&pattern);
    Part without{CharacterAutomaton::both(part.names, others, budget), std::move(part.matched)};
    if (with.names.start() != CharacterAutomaton::kDead) result.push_back(std::move(with));
    if (without.names.start() != CharacterAutomaton::kDead) result.push_back(std::move(without));
  }
  if (result.size() > kMostGroups) {
    fail(ErrorCode::invalid_input, "\"patternProperties\" overlap in more than {} ways",
         kMostGroups);
  }
  return result;
}

bool is_impossible(const Schemas& schemas) {
  return std::any_of(schemas.begin(), schemas.end(),
                     [](const Json* schema) { return *schema == false; });
}

}  // namespace

std::vector<NameGroup> group_names(const Form& form, const CharacterAutomaton* allowed,
                                   PatternBook& book) {
  Names patterns;
  for (const NameRule& rule : form.name_rules) {
    for (const NamePattern& pattern : rule.patterns) {
      if (std::find(patterns.begin(), patterns.end(), pattern.names) == patterns.end()) {
        patterns.push_back(pattern.names);
      }
    }
  }
  std::vector<Part> parts;
  parts.push_back({further_names(form, allowed, book), {}});
  if (parts[0].names.start() == CharacterAutomaton::kDead) return {};
  for (const CharacterAutomaton* pattern : patterns) {
    parts = split(std::move(parts), *pattern, book.budget());
  }
  std::vector<NameGroup> groups;
  for (Part& part : parts) {
    Schemas schemas = form.further_property([&](const CharacterAutomaton& names) {
      return std::find(part.matched.begin(), part.matched.end(), &names) != part.matched.end();
    });
    if (!is_impossible(schemas)) groups.push_back({std::move(part.names), std::move(schemas)});
  }
  return groups;
}

}  // namespace lazyllm::grammar
