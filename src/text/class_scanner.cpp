// SPDX-License-Identifier: Apache-2.0
// The scanners of word_scanner.h that look for one class of characters.
#include <algorithm>

#include "text/word_scanner.h"

namespace lazyllm::text {
namespace {

/// A set of code points, written as in a regular expression: "a-z0-9_".
class CodePointSet {
 public:
  explicit CodePointSet(std::string_view ranges) {
    for (size_t at = 0; at < ranges.size();) {
      const char32_t first = next(ranges, at);
      char32_t last = first;
      if (at + 1 < ranges.size() && ranges[at] == '-') last = next(ranges, ++at);
      ranges_.push_back({first, last});
    }
    std::sort(ranges_.begin(), ranges_.end(),
              [](const Range& a, const Range& b) { return a.first < b.first; });
  }

  bool contains(char32_t c) const {
    const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                        [](char32_t x, const Range& r) { return x < r.first; });
    return after != ranges_.begin() && c <= std::prev(after)->last;
  }

 private:
  struct Range {
    char32_t first, last;
  };

  static char32_t next(std::string_view text, size_t& at) {
    const DecodedCharacter character = decode_utf8(text, at);
    at += character.length;
    return character.code_point;
  }

  std::vector<Range> ranges_;
};

template <typename Predicate>
size_t run_length(const Piece& piece, size_t at, Predicate&& wanted, size_t most = SIZE_MAX) {
  size_t length = 0;
  while (length < most && at + length < piece.end && wanted(piece.text[at + length])) ++length;
  return length;
}

/// [wanted]{1,most}
template <typename Predicate>
void split_runs(const Piece& piece, std::vector<size_t>& ends, Predicate&& wanted,
                size_t most = SIZE_MAX) {
  split_by(piece, ends, [&](size_t at) { return run_length(piece, at, wanted, most); });
}

/// LEAD?[wanted]+
template <typename Lead, typename Predicate>
void split_led_runs(const Piece& piece, std::vector<size_t>& ends, Lead&& lead,
                    Predicate&& wanted) {
  split_by(piece, ends, [&](size_t at) {
    if (lead(piece.text[at])) {
      if (const size_t length = run_length(piece, at + 1, wanted)) return length + 1;
    }
    return run_length(piece, at, wanted);
  });
}

bool is_space(const Character& c) {
  return c.is(kSpace);
}
bool is_number(const Character& c) {
  return c.is(kNumber);
}

}  // namespace

// \p{N}
void split_single_numbers(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, is_number, 1);
}

// \p{N}+
void split_number_runs(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, is_number);
}

// \p{N}{1,3}
void split_number_triples(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, is_number, 3);
}

// \p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})): thousands, counted from the right
void split_number_triples_from_right(const Piece& piece, std::vector<size_t>& ends) {
  size_t run_end = piece.begin;  // of the run last seen, so that it is measured once
  split_by(piece, ends, [&](size_t at) -> size_t {
    if (!is_number(piece.text[at])) return 0;
    if (at >= run_end) run_end = at + run_length(piece, at, is_number);
    const size_t odd = (run_end - at) % 3;
    return odd > 0 ? odd : 3;
  });
}

// [0-9][0-9][0-9]
void split_ascii_digit_triples(const Piece& piece, std::vector<size_t>& ends) {
  const auto digit = [](const Character& c) { return c.code_point >= '0' && c.code_point <= '9'; };
  split_by(piece, ends,
           [&](size_t at) -> size_t { return run_length(piece, at, digit, 3) == 3 ? 3 : 0; });
}

// [\p{P}\$\+<=>\^~\|]+
void split_default_punctuation(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, [](const Character& c) {
    return c.is(kPunctuation) || (c.code_point < 0x80 && c.is(kSymbol) && c.code_point != '`');
  });
}

// [\p{P}\$\+<=>\^~\|`]+
void split_falcon_punctuation(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, [](const Character& c) {
    return c.is(kPunctuation) || (c.code_point < 0x80 && c.is(kSymbol));
  });
}

// [\r\n]
void split_single_newlines(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(
      piece, ends, [](const Character& c) { return c.is_newline(); }, 1);
}

// [^\n]+|[\n]+
void split_newline_runs(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, [](const Character& c) { return c.code_point == '\n'; });
}

// \s?\p{L}+
void split_spaced_letters(const Piece& piece, std::vector<size_t>& ends) {
  split_led_runs(piece, ends, is_space, [](const Character& c) { return c.is(kLetter); });
}

// \s?\p{P}+
void split_spaced_punctuation(const Piece& piece, std::vector<size_t>& ends) {
  split_led_runs(piece, ends, is_space, [](const Character& c) { return c.is(kPunctuation); });
}

// \s?[A-Za-z and the other letters with case]+; the escapes are characters that an editor which
// normalises to NFC would replace by others
void split_deepseek_alphabets(const Piece& piece, std::vector<size_t>& ends) {
  // clang-format off
  static const CodePointSet alphabets(
      "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ"
      "Ἐ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ"
      "\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟"
      "𞤀-𞥃");
  // clang-format on
  split_led_runs(piece, ends, is_space,
                 [](const Character& c) { return alphabets.contains(c.code_point); });
}

// \s?[!-/:-~！-／：-～‘-‟　-。]+
void split_deepseek_punctuation(const Piece& piece, std::vector<size_t>& ends) {
  static const CodePointSet punctuation("!-/:-~！-／：-～‘-‟　-。");
  split_led_runs(piece, ends, is_space,
                 [](const Character& c) { return punctuation.contains(c.code_point); });
}

// [一-龥ࠀ-一가-퟿]+
void split_deepseek_cjk(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, [](const Character& c) {
    return (c.code_point >= 0x0800 && c.code_point <= 0x9FA5) ||
           (c.code_point >= 0xAC00 && c.code_point <= 0xD7FF);
  });
}

// [一-龥぀-ゟ゠-ヿ]+
void split_deepseek3_cjk(const Piece& piece, std::vector<size_t>& ends) {
  split_runs(piece, ends, [](const Character& c) {
    return (c.code_point >= 0x4E00 && c.code_point <= 0x9FA5) ||
           (c.code_point >= 0x3040 && c.code_point <= 0x30FF);
  });
}

// \s+$
void split_trailing_space(const Piece& piece, std::vector<size_t>& ends) {
  size_t spaces = piece.end;
  while (spaces > piece.begin && is_space(piece.text[spaces - 1])) --spaces;
  if (spaces > piece.begin) ends.push_back(spaces);
  if (spaces < piece.end) ends.push_back(piece.end);
}

// Metaspace with split: each space begins a word
void split_before_spaces(const Piece& piece, std::vector<size_t>& ends) {
  for (size_t at = piece.begin + 1; at < piece.end; ++at) {
    if (piece.text[at].code_point == ' ') ends.push_back(at);
  }
  if (piece.begin < piece.end) ends.push_back(piece.end);
}

//  ?[^(\s|.,!?…。，、।۔،)]+
void split_bloom_words(const Piece& piece, std::vector<size_t>& ends) {
  static const CodePointSet breaks("(|.,!?…。，、।۔،)");
  split_led_runs(
      piece, ends, [](const Character& c) { return c.code_point == ' '; },
      [](const Character& c) { return !is_space(c) && !breaks.contains(c.code_point); });
}

}  // namespace lazyllm::text
