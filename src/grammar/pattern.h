// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "grammar/character_set.h"

namespace lazyllm::grammar {

/// A regular expression as a tree, in the subset of ECMA-262 that is regular: characters, classes,
/// groups, alternatives, * + ? {m,n} and their lazy forms, ^ and $.
struct Pattern {
  enum class Kind : uint8_t {
    characters,    ///< one character of the set
    start,         ///< ^
    end,           ///< $
    sequence,      ///< the parts one after another; none: the empty text
    alternatives,  ///< one of the parts
    repeat,        ///< the one part minimum .. maximum times
  };
  static constexpr uint32_t kUnbounded = UINT32_MAX;

  Kind kind = Kind::sequence;
  CharacterSet characters;
  std::vector<Pattern> parts;
  uint32_t minimum = 0, maximum = 0;
};

/// What patterns and their automata may cost in all: steps, and entries of tables.
struct PatternBudget {
  size_t left = 10'000'000;
  /// Errors: Error(invalid_input) when nothing is left.
  void spend(size_t work);
};

/// Errors: Error(invalid_input) saying what is not supported and what is.
Pattern parse_pattern(std::string_view source, PatternBudget& budget);

}  // namespace lazyllm::grammar
