// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace lazyllm::grammar {

/// Words that agree in their first `length` characters.
struct WordRange {
  uint32_t first = 0, last = 0;  ///< half open
  uint32_t length = 0;
  bool empty() const { return first >= last; }
  bool operator==(const WordRange&) const = default;
};

/// A sorted list of different words, read as the tree of their beginnings.
template <typename Character>
class WordList {
 public:
  using Word = std::basic_string<Character>;

  WordList() = default;
  explicit WordList(std::vector<Word> words) : words_(std::move(words)) {
    std::sort(words_.begin(), words_.end(), less);
    words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
  }

  const std::vector<Word>& words() const { return words_; }
  WordRange all() const { return {0, static_cast<uint32_t>(words_.size()), 0}; }

  /// The words of `range` whose next character lies in low .. high.
  WordRange between(WordRange range, Character low, Character high) const {
    const auto begin = words_.begin();
    const auto first = std::lower_bound(
        begin + range.first, begin + range.last, low, [&](const Word& word, Character c) {
          return word.size() == range.length || before(word[range.length], c);
        });
    const auto last =
        std::upper_bound(first, begin + range.last, high, [&](Character c, const Word& word) {
          return word.size() > range.length && before(c, word[range.length]);
        });
    return {static_cast<uint32_t>(first - begin), static_cast<uint32_t>(last - begin),
            range.length};
  }

  WordRange next(WordRange range, Character c) const {
    WordRange result = between(range, c, c);
    ++result.length;
    return result;
  }

  /// True if the first word of the range ends here; it is the only one that does.
  bool ends(WordRange range) const {
    return !range.empty() && words_[range.first].size() == range.length;
  }

 private:
  using Unsigned = std::make_unsigned_t<
      std::conditional_t<std::is_same_v<Character, char32_t>, uint32_t, Character>>;
  static bool before(Character a, Character b) {
    return static_cast<Unsigned>(a) < static_cast<Unsigned>(b);
  }
  static bool less(const Word& a, const Word& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), before);
  }

  std::vector<Word> words_;
};

}  // namespace lazyllm::grammar
