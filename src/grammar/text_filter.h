// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "grammar/text_grammar.h"
#include "grammar/token_table.h"

namespace lazyllm::grammar {

/// The tokens that may come next so that a text stays the beginning of one of the grammar.
///
/// All readings of the text so far are one state: stacks of what is still to come, with common
/// parts. States, and what each byte makes of them, are remembered, so that a state that comes
/// again costs a look-up. Not thread-safe; table and grammar are shared.
class TextFilter {
 public:
  /// Readings followed at a time; more are dropped (what is kept stays right).
  static constexpr size_t kMostReadings = 500;

  TextFilter(std::shared_ptr<const TokenTable> table, std::shared_ptr<const TextGrammar> grammar);

  /// One bit for each token, 64 a word. Valid until the next call.
  std::span<const uint64_t> allowed();
  /// The token that was chosen. Errors: Error(usage) if it may not come here.
  void accept(int32_t token);
  /// True if the text may end.
  bool complete() const;

 private:
  static constexpr int32_t kDead = -1;
  static constexpr uint32_t kNothing = UINT32_MAX;

  /// What is to come: from an item on, and behind its alternative what `above` says.
  struct Stack {
    uint32_t item = 0;
    uint32_t above = kNothing;
    bool operator==(const Stack&) const = default;
  };
  struct State {
    std::vector<uint32_t> stacks;  ///< numbers in stacks_; each waits for a character
    bool complete = false;
    char32_t bits = 0;  ///< of a character of which bytes are missing
    uint8_t left = 0, length = 0;
    auto operator<=>(const State&) const = default;
  };

  uint32_t number_of(Stack stack);
  int32_t number_of(State state);
  /// Adds what waits for a character once the text has come to `stack`.
  void expand(Stack stack, State& state);
  int32_t next(int32_t state, uint8_t byte);
  State compute_next(const State& state, uint8_t byte);
  State with_character(const State& state, char32_t character);
  State with_beginning(const State& state, char32_t bits, uint8_t left, uint8_t length);
  std::vector<uint64_t> compute_mask();
  /// Forgets all but the present state.
  void forget();

  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<const TextGrammar> grammar_;
  std::vector<Stack> stacks_;
  std::unordered_map<uint64_t, uint32_t> stack_numbers_;
  std::vector<State> states_;
  std::map<State, int32_t> state_numbers_;
  std::unordered_map<uint64_t, int32_t> next_;
  std::unordered_map<int32_t, std::vector<uint64_t>> masks_;
  int32_t state_ = kDead;
  size_t work_ = 0;  ///< of the present mask
  bool ended_ = false;
};

}  // namespace lazyllm::grammar
