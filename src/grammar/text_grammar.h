// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/character_set.h"

namespace lazyllm::grammar {

/// Texts of a context-free grammar over characters. Every rule can be completed, and no rule
/// begins with itself. Immutable once built.
struct TextGrammar {
  struct Item {
    enum class Kind : uint8_t {
      end,         ///< of an alternative
      characters,  ///< one character of sets[index]
      rule,        ///< a text of rules[index]
    };
    Kind kind = Kind::end;
    uint32_t index = 0;
  };
  std::vector<Item> items;                   ///< all alternatives, each with its end
  std::vector<std::vector<uint32_t>> rules;  ///< where its alternatives begin in `items`
  std::vector<CharacterSet> sets;
  uint32_t root = 0;
};

/// Puts a grammar together and checks it.
class TextGrammarBuilder {
 public:
  using Item = TextGrammar::Item;
  using Sequence = std::vector<Item>;
  static constexpr uint32_t kUnbounded = UINT32_MAX;
  static constexpr size_t kMostItems = 200'000;

  Item add_rule();
  /// Errors of all: Error(invalid_input) if the grammar grows too large.
  void add_alternative(Item rule, Sequence sequence);
  Item characters(CharacterSet set);
  /// The item minimum .. maximum times.
  Sequence repeat(Item item, uint32_t minimum, uint32_t maximum);
  /// Alternatives that cannot be completed are left out. Errors: Error(invalid_input) if no text
  /// is left, or a rule begins with itself.
  TextGrammar finish(Item root);

 private:
  std::vector<std::vector<Sequence>> rules_;
  std::vector<CharacterSet> sets_;
  size_t items_ = 0;
};

/// llama.cpp's GBNF: rules `name ::= ...`, of which `root` is the text.
/// Errors: Error(invalid_input) with the line.
TextGrammar parse_gbnf(std::string_view source);

/// Texts that match the whole pattern. Errors: Error(invalid_input), as those of parse_pattern.
TextGrammar grammar_of_pattern(std::string_view pattern);

}  // namespace lazyllm::grammar
