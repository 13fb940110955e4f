// SPDX-License-Identifier: Apache-2.0
#include "grammar/pattern_book.h"

#include <string_view>

namespace lazyllm::grammar {

const CharacterAutomaton& PatternBook::like(const std::string& pattern) {
  const auto found = like_.find(pattern);
  if (found != like_.end()) return found->second;
  return like_
      .emplace(pattern, CharacterAutomaton::containing(parse_pattern(pattern, budget_), budget_))
      .first->second;
}

const CharacterAutomaton& PatternBook::unlike(const std::string& pattern) {
  const auto found = unlike_.find(pattern);
  if (found != unlike_.end()) return found->second;
  return unlike_.emplace(pattern, CharacterAutomaton::besides(like(pattern), budget_))
      .first->second;
}

std::string pattern_of_texts(const std::vector<std::string>& texts) {
  std::string result;
  for (const std::string& text : texts) {
    result += result.empty() ? "^(?:" : "|";
    for (const char c : text) {
      if (std::string_view("\\^$.|?*+()[]{}/").find(c) != std::string_view::npos) result += '\\';
      result += c;
    }
  }
  return result + ")$";
}

}  // namespace lazyllm::grammar
