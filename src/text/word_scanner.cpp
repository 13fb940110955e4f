// SPDX-License-Identifier: Apache-2.0
#include "text/word_scanner.h"

namespace lazyllm::text {
namespace {

constexpr Classes kUpperLike =
    kUpper | kTitle | kUncased | kMark;                    // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
constexpr Classes kLowerLike = kLower | kUncased | kMark;  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]

size_t run_end(const Piece& piece, size_t at, Classes wanted) {
  while (piece.has(at, wanted)) ++at;
  return at;
}

size_t run_end_without(const Piece& piece, size_t at, Classes unwanted) {
  while (at < piece.end && !piece.text[at].is(unwanted)) ++at;
  return at;
}

/// Length of 's 't 'm 'd 're 've 'll at `at`, or 0.
size_t contraction(const Piece& piece, size_t at, bool any_case) {
  if (!piece.has_code_point(at, '\'')) return 0;
  const auto letter = [&](size_t i) -> char32_t {
    if (i >= piece.end) return 0;
    const char32_t c = piece.text[i].code_point;
    return any_case && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
  };
  const char32_t first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char32_t second = letter(at + 2);
  const bool two_letters = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                           (first == 'l' && second == 'l');
  return two_letters ? 3 : 0;
}

/// White space and its last newline, remembered: several alternatives ask for the
/// same run, and a run may be cut many times.
class SpaceRuns {
 public:
  explicit SpaceRuns(const Piece& piece) : piece_(piece) {}

  /// End of the run of \s that contains or begins at `at`.
  size_t end(size_t at) {
    find(at);
    return end_;
  }
  /// One past the last newline of that run, or `at` when none follows.
  size_t newline_end(size_t at) {
    find(at);
    return newline_end_ > at ? newline_end_ : at;
  }

 private:
  void find(size_t at) {
    if (at >= begin_ && at < end_) return;
    begin_ = at;
    newline_end_ = at;
    for (end_ = at; piece_.has(end_, kSpace); ++end_) {
      if (piece_.text[end_].is_newline()) newline_end_ = end_ + 1;
    }
  }

  const Piece& piece_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t newline_end_ = 0;
};

/// \s+(?!\S): the run without its last character, unless the piece ends there.
size_t space_before_space(const Piece& piece, size_t at, size_t run) {
  return run == piece.end ? run - at : run - at - 1;
}

enum class Contractions { none, before_words, after_words };

/// What tells the descendants of GPT-4's expression apart.
struct WordRules {
  Contractions contractions = Contractions::before_words;
  bool marks_are_letters = false;
  bool case_aware = false;
  bool slash_ends_symbols = false;   // [\r\n/]* after symbols
  bool newline_ends_symbols = true;  // [\r\n]* after symbols
  bool cascading_spaces = false;     // \s{512}(?!\S)|\s{256}(?!\S)|...|\s{1}
  size_t most_digits = 3;
};

/// [^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+
size_t match_word(const Piece& piece, size_t at, Classes letters) {
  const Character& first = piece.text[at];
  const bool can_lead = !first.is_newline() && !first.is(kLetter | kNumber);
  if (can_lead && piece.has(at + 1, letters)) return run_end(piece, at + 1, letters) - at;
  return run_end(piece, at, letters) - at;
}

/// [Upper]*[Lower]+ from `at`; returns the end or `at`.
size_t match_lower_ending(const Piece& piece, size_t at) {
  const size_t uppers = run_end(piece, at, kUpperLike);
  const size_t lowers = run_end(piece, uppers, kLowerLike);
  if (lowers > uppers) return lowers;
  // The greedy first part took all: give back as far as the last character in both sets.
  for (size_t i = uppers; i > at; --i) {
    if (piece.text[i - 1].is(kLowerLike)) return i;
  }
  return at;
}

/// [^\r\n\p{L}\p{N}]?[Upper]*[Lower]+ | [^\r\n\p{L}\p{N}]?[Upper]+[Lower]*
size_t match_cased_word(const Piece& piece, size_t at) {
  const Character& first = piece.text[at];
  const bool can_lead = !first.is_newline() && !first.is(kLetter | kNumber);
  const size_t after_lead = can_lead ? at + 1 : at;
  for (const size_t start : {after_lead, at}) {
    const size_t end = match_lower_ending(piece, start);
    if (end > start) return end - at;
  }
  for (const size_t start : {after_lead, at}) {
    const size_t uppers = run_end(piece, start, kUpperLike);
    if (uppers > start) return run_end(piece, uppers, kLowerLike) - at;
  }
  return 0;
}

/// \s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}
size_t match_cascading_space(const Piece& piece, size_t at, size_t run) {
  const size_t length = run - at;
  for (size_t wanted = 512; wanted >= 2; wanted /= 2) {
    if (length > wanted || (length == wanted && run == piece.end)) return wanted;
  }
  return 1;
}

size_t match_modern(const Piece& piece, size_t at, const WordRules& rules, SpaceRuns& spaces) {
  const Character& first = piece.text[at];
  if (rules.contractions == Contractions::before_words) {
    if (const size_t length = contraction(piece, at, true)) return length;
  }
  const Classes letters = static_cast<Classes>(kLetter | (rules.marks_are_letters ? kMark : 0));
  size_t word = rules.case_aware ? match_cased_word(piece, at) : match_word(piece, at, letters);
  if (word > 0) {
    if (rules.contractions == Contractions::after_words)
      word += contraction(piece, at + word, true);
    return word;
  }
  if (first.is(kNumber)) {
    size_t digits = 1;
    while (digits < rules.most_digits && piece.has(at + digits, kNumber)) ++digits;
    return digits;
  }
  const Classes not_symbols = static_cast<Classes>(kSpace | kNumber | letters);
  const size_t symbols = at + (first.code_point == ' ' ? 1 : 0);
  size_t end = run_end_without(piece, symbols, not_symbols);
  if (end > symbols) {
    if (rules.newline_ends_symbols) {
      while (end < piece.end && (piece.text[end].is_newline() ||
                                 (rules.slash_ends_symbols && piece.text[end].code_point == '/'))) {
        ++end;
      }
    }
    return end - at;
  }
  if (!first.is(kSpace)) return 0;
  if (const size_t newlines = spaces.newline_end(at); newlines > at) return newlines - at;
  const size_t run = spaces.end(at);
  if (rules.cascading_spaces) return match_cascading_space(piece, at, run);
  const size_t before = space_before_space(piece, at, run);
  return before > 0 ? before : run - at;
}

void split_modern(const Piece& piece, std::vector<size_t>& ends, const WordRules& rules) {
  SpaceRuns spaces(piece);
  split_by(piece, ends, [&](size_t at) { return match_modern(piece, at, rules, spaces); });
}

}  // namespace

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)
void split_gpt2_words(const Piece& piece, std::vector<size_t>& ends) {
  split_by(piece, ends, [&](size_t at) -> size_t {
    if (const size_t length = contraction(piece, at, false)) return length;
    const size_t start = at + (piece.text[at].code_point == ' ' ? 1 : 0);
    if (piece.has(start, kLetter)) return run_end(piece, start, kLetter) - at;
    if (piece.has(start, kNumber)) return run_end(piece, start, kNumber) - at;
    const size_t symbols = run_end_without(piece, start, kSpace | kLetter | kNumber);
    if (symbols > start) return symbols - at;
    return piece.text[at].is(kSpace) ? space_before_space(piece, at, run_end(piece, at, kSpace))
                                     : 0;
  });
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
// |\s*[\r\n]+|\s+(?!\S)|\s+
void split_llama3_words(const Piece& piece, std::vector<size_t>& ends) {
  split_modern(piece, ends, {});
}

// llama3 with \s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1} at the end
void split_jais2_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.cascading_spaces = true;
  split_modern(piece, ends, rules);
}

// llama3 with \p{N}
void split_qwen2_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.most_digits = 1;
  split_modern(piece, ends, rules);
}

// qwen2 with [\p{L}\p{M}]+ and [^\s\p{L}\p{M}\p{N}]+
void split_qwen35_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.most_digits = 1;
  rules.marks_are_letters = true;
  split_modern(piece, ends, rules);
}

// llama3 with \p{N}+
void split_minicpm5_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.most_digits = SIZE_MAX;
  split_modern(piece, ends, rules);
}

// qwen2 with [^\s\p{L}\p{N}\r\n]+ that takes no newlines after it
void split_seed_coder_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.most_digits = 1;
  rules.newline_ends_symbols = false;
  split_modern(piece, ends, rules);
}

// qwen2 without contractions
void split_uncontracted_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.most_digits = 1;
  rules.contractions = Contractions::none;
  split_modern(piece, ends, rules);
}

// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
// |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
// |\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
void split_tekken_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.contractions = Contractions::none;
  rules.case_aware = true;
  rules.slash_ends_symbols = true;
  rules.most_digits = 1;
  split_modern(piece, ends, rules);
}

// tekken with (?i:'s|'t|'re|'ve|'m|'ll|'d)? after words and \p{N}{1,3}
void split_gpt4o_words(const Piece& piece, std::vector<size_t>& ends) {
  WordRules rules;
  rules.contractions = Contractions::after_words;
  rules.case_aware = true;
  rules.slash_ends_symbols = true;
  split_modern(piece, ends, rules);
}

// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+
// | ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
void split_deepseek3_words(const Piece& piece, std::vector<size_t>& ends) {
  const auto ascii = [&](size_t at, Classes wanted) {
    return at < piece.end && piece.text[at].code_point < 0x80 && piece.text[at].is(wanted);
  };
  SpaceRuns spaces(piece);
  split_by(piece, ends, [&](size_t at) -> size_t {
    const Character& first = piece.text[at];
    if (ascii(at, kPunctuation | kSymbol) && ascii(at + 1, kLetter)) {
      size_t end = at + 1;
      while (ascii(end, kLetter)) ++end;
      return end - at;
    }
    const bool can_lead = !first.is_newline() && !first.is(kLetter | kPunctuation | kSymbol);
    const size_t word = at + (can_lead && piece.has(at + 1, kLetter | kMark) ? 1 : 0);
    if (piece.has(word, kLetter | kMark)) return run_end(piece, word, kLetter | kMark) - at;
    const size_t symbols = at + (first.code_point == ' ' ? 1 : 0);
    size_t end = run_end(piece, symbols, kPunctuation | kSymbol);
    if (end > symbols) {
      while (end < piece.end && piece.text[end].is_newline()) ++end;
      return end - at;
    }
    if (!first.is(kSpace)) return 0;
    if (const size_t newlines = spaces.newline_end(at); newlines > at) return newlines - at;
    const size_t run = spaces.end(at);
    const size_t before = space_before_space(piece, at, run);
    return before > 0 ? before : run - at;
  });
}

}  // namespace lazyllm::text
