// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "grammar/character_set.h"

namespace lazyllm::grammar {

struct Pattern;
struct PatternBudget;

/// A deterministic automaton over characters that accepts a set of texts. From every one of its
/// states an accepting one can be reached. Immutable.
class CharacterAutomaton {
 public:
  static constexpr int32_t kDead = -1;

  /// Texts in which the pattern occurs somewhere.
  /// Errors: Error(invalid_input) for one that grows too large; so below.
  static CharacterAutomaton containing(const Pattern& pattern, PatternBudget& budget);
  /// Texts of minimum .. maximum characters; UINT32_MAX: no bound.
  static CharacterAutomaton of_length(uint32_t minimum, uint32_t maximum, PatternBudget& budget);
  /// Texts that both accept.
  static CharacterAutomaton both(const CharacterAutomaton& a, const CharacterAutomaton& b,
                                 PatternBudget& budget);
  /// Texts that it does not accept.
  static CharacterAutomaton besides(const CharacterAutomaton& a, PatternBudget& budget);

  /// kDead if it accepts nothing.
  int32_t start() const { return start_; }
  int32_t next(int32_t state, char32_t character) const {
    const Class c = class_of(character);
    return c == kNoClass ? kDead : entry(state, c);
  }
  size_t states() const { return accepting_.size(); }
  /// Of its tables, about.
  size_t bytes() const { return table_.size() * sizeof(int32_t) + ranges_.size() * 10; }
  bool accepts(int32_t state) const { return accepting_[static_cast<size_t>(state)]; }
  /// True if it accepts the text, given in UTF-8.
  bool matches(std::string_view text) const;
  /// For each state how many texts are accepted from there on; `most` stands for that many or more.
  std::vector<uint32_t> texts_from(uint32_t most) const;
  /// Calls visit(first, last, state) for each range of characters that may come next.
  template <typename Visitor>
  void for_each_next(int32_t state, const Visitor& visit) const {
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const int32_t target = entry(state, range_class_[i]);
      if (target != kDead) visit(ranges_[i].first, ranges_[i].last, target);
    }
  }
  /// True if some character of first .. last may come next.
  bool continues(int32_t state, char32_t first, char32_t last) const;

 private:
  friend class Determiniser;
  using Class = uint16_t;
  static constexpr Class kNoClass = UINT16_MAX;

  CharacterAutomaton() { ascii_class_.fill(kNoClass); }
  int32_t& entry(int32_t state, Class c) {
    return table_[static_cast<size_t>(state) * classes_ + c];
  }
  int32_t entry(int32_t state, Class c) const {
    return table_[static_cast<size_t>(state) * classes_ + c];
  }
  int32_t add_state(bool accepting, PatternBudget& budget);
  Class class_of(char32_t character) const {
    return character < ascii_class_.size() ? ascii_class_[character] : find_class(character);
  }
  Class find_class(char32_t character) const;
  void append_range(CharacterRange range, Class c);
  /// Removes the states from which no accepting one can be reached.
  void trim();

  std::vector<CharacterRange> ranges_;   ///< ascending, disjoint
  std::vector<Class> range_class_;       ///< of each range
  std::array<Class, 0x80> ascii_class_;  ///< the same for ASCII, looked up most
  size_t classes_ = 0;
  std::vector<int32_t> table_;  ///< [states][classes]
  std::vector<bool> accepting_;
  int32_t start_ = kDead;
};

}  // namespace lazyllm::grammar
