// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "grammar/character_automaton.h"
#include "grammar/pattern.h"

namespace lazyllm::grammar {

/// The automata of a schema's patterns, each made once. They stay as long as this object does.
/// Errors: Error(invalid_input) for a pattern that is not supported or grows too large.
class PatternBook {
 public:
  explicit PatternBook(PatternBudget& budget) : budget_(budget) {}

  /// Texts in which the pattern occurs somewhere, and all others.
  const CharacterAutomaton& like(const std::string& pattern);
  const CharacterAutomaton& unlike(const std::string& pattern);
  PatternBudget& budget() { return budget_; }

 private:
  PatternBudget& budget_;
  std::map<std::string, CharacterAutomaton> like_, unlike_;
};

/// A pattern of exactly these texts.
std::string pattern_of_texts(const std::vector<std::string>& texts);

}  // namespace lazyllm::grammar
