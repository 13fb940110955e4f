// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <stop_token>
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
  static constexpr size_t kMost = 4'000'000;
  size_t left = kMost;
  std::stop_token stop = {};  ///< of whoever waits for them
  /// Errors: Error(invalid_input) when nothing is left; Error(usage) once stop was requested.
  void spend(size_t work);
};

/// Throws Error(usage): nobody waits for the schema any more.
[[noreturn]] void fail_stopped();

/// Errors: Error(invalid_input) saying what is not supported and what is.
Pattern parse_pattern(std::string_view source, PatternBudget& budget);

}  // namespace lazyllm::grammar
