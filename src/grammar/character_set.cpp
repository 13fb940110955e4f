// SPDX-License-Identifier: Apache-2.0
#include "grammar/character_set.h"

#include <algorithm>

#include "text/unicode.h"

namespace lazyllm::grammar {
namespace {

constexpr CharacterRange kSurrogates = {0xD800, 0xDFFF};

CharacterSet with_classes(text::Classes classes) {
  CharacterSet set;
  constexpr char32_t kNone = kLastCharacter + 1;
  char32_t first = kNone;
  for (char32_t c = 0; c <= kLastCharacter; ++c) {
    const bool belongs = (text::classes_of(c) & classes) != 0;
    if (belongs && first == kNone) first = c;
    if (!belongs && first != kNone) {
      set.add({first, c - 1});
      first = kNone;
    }
  }
  return set;
}

CharacterClass opposite(const CharacterClass& of) {
  return {of.possible.complement(), of.sure.complement()};
}

CharacterClass digits() {
  CharacterClass result{{{'0', '9'}}, {{'0', '9'}}};
  result.possible.add(with_classes(text::kNumber));
  return result;
}

CharacterClass word_characters() {
  CharacterClass result{{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, {}};
  result.possible = result.sure;
  result.possible.add(with_classes(text::kLetter | text::kMark | text::kNumber));
  return result;
}

CharacterClass white_space() {
  CharacterClass result{{{'\t', '\r'}, {' ', ' '}}, {}};
  result.possible = result.sure;
  result.possible.add(with_classes(text::kSpace));
  result.possible.add({0x1C, 0x1F});  // Python's
  result.possible.add({0x180E, 0x180E});
  result.possible.add({0x200B, 0x200B});
  result.possible.add({0xFEFF, 0xFEFF});  // ECMA-262's
  return result;
}

CharacterClass but_line_ends() {
  const CharacterSet certain{{'\n', '\n'}};
  const CharacterSet possible{{'\n', '\n'}, {'\r', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}};
  return {possible.complement(), certain.complement()};
}

}  // namespace

CharacterSet::CharacterSet(std::initializer_list<CharacterRange> ranges) {
  for (const CharacterRange& range : ranges) add(range);
}

CharacterSet CharacterSet::all() {
  return {{0, kSurrogates.first - 1}, {kSurrogates.last + 1, kLastCharacter}};
}

void CharacterSet::add(CharacterRange range) {
  if (range.first > range.last) return;
  if (range.first <= kSurrogates.last && range.last >= kSurrogates.first) {
    if (range.first < kSurrogates.first) add({range.first, kSurrogates.first - 1});
    if (range.last > kSurrogates.last) add({kSurrogates.last + 1, range.last});
    return;
  }
  auto at = std::lower_bound(ranges_.begin(), ranges_.end(), range.first,
                             [](const CharacterRange& r, char32_t c) { return r.last + 1 < c; });
  if (at != ranges_.end() && at->first <= range.first && at->last >= range.last) return;
  auto end = at;
  for (; end != ranges_.end() && end->first <= range.last + 1; ++end) {
    range.first = std::min(range.first, end->first);
    range.last = std::max(range.last, end->last);
  }
  at = ranges_.erase(at, end);
  ranges_.insert(at, range);
}

void CharacterSet::add(const CharacterSet& other) {
  for (const CharacterRange& range : other.ranges_) add(range);
}

CharacterSet CharacterSet::complement() const {
  CharacterSet result;
  char32_t next = 0;
  for (const CharacterRange& range : ranges_) {
    if (range.first > next) result.add({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCharacter) result.add({next, kLastCharacter});
  return result;
}

const CharacterClass& class_escape(char letter) {
  static const CharacterClass d = digits(), w = word_characters(), s = white_space();
  static const CharacterClass not_d = opposite(d), not_w = opposite(w), not_s = opposite(s);
  switch (letter) {
    case 'd':
      return d;
    case 'D':
      return not_d;
    case 'w':
      return w;
    case 'W':
      return not_w;
    case 's':
      return s;
    default:
      return not_s;
  }
}

const CharacterClass& any_but_line_ends() {
  static const CharacterClass result = but_line_ends();
  return result;
}

}  // namespace lazyllm::grammar
