// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/token_table.h"

namespace lazyllm::grammar {

/// Which tokens may come inside strings with a pattern, computed once for each state of an
/// automaton and shared by all answers of one schema. Thread-safe.
class StringMasks {
 public:
  struct Mask {
    std::vector<uint64_t> bits;  ///< 64 tokens a word
    size_t steps = 0;            ///< what it cost: bytes of the vocabulary's tree that were read
  };
  /// Masks kept; the one that was not wanted for the longest time goes first.
  static constexpr size_t kMostKept = 256;

  StringMasks(std::shared_ptr<const TokenTable> table, std::shared_ptr<const Grammar> grammar)
      : table_(std::move(table)), grammar_(std::move(grammar)) {}

  /// Tokens that continue a string, between two characters, and do not end it.
  std::shared_ptr<const Mask> of(uint32_t automaton, int32_t state);

 private:
  using Kept = std::pair<uint64_t, std::shared_ptr<const Mask>>;
  Mask compute(const CharacterAutomaton& automaton, int32_t state) const;

  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<const Grammar> grammar_;
  std::mutex mutex_;
  std::list<Kept> kept_;  ///< the last wanted first
  std::unordered_map<uint64_t, std::list<Kept>::iterator> places_;
};

}  // namespace lazyllm::grammar
