// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace lazyllm::grammar {

inline constexpr char32_t kLastCharacter = 0x10FFFF;

/// Characters first .. last.
struct CharacterRange {
  char32_t first = 0, last = 0;
  bool operator==(const CharacterRange&) const = default;
};

/// A set of Unicode characters (code points without the surrogates).
class CharacterSet {
 public:
  CharacterSet() = default;
  CharacterSet(std::initializer_list<CharacterRange> ranges);
  static CharacterSet all();

  void add(CharacterRange range);
  void add(const CharacterSet& other);
  CharacterSet complement() const;

  bool empty() const { return ranges_.empty(); }
  /// Ascending, disjoint, not touching.
  const std::vector<CharacterRange>& ranges() const { return ranges_; }

 private:
  std::vector<CharacterRange> ranges_;
};

/// What \d, \w and \s stand for differs: ECMA-262 means ASCII digits and words, Python and others
/// mean Unicode's. `sure` has the characters that belong to the class for all of them, `possible`
/// those that belong to it for anyone. Text made of sure characters matches everywhere.
struct CharacterClass {
  CharacterSet sure, possible;
};

/// For the letters d, D, w, W, s, S.
const CharacterClass& class_escape(char letter);
/// The dot: everything but ends of lines.
const CharacterClass& any_but_line_ends();

}  // namespace lazyllm::grammar
