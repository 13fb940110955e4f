// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace lazyllm::text {

/// One character of a text that is being cut into words.
struct Character {
  char32_t code_point = 0;
  uint32_t begin = 0;  ///< byte offset in the text
  Classes classes = 0;

  bool is(Classes wanted) const { return (classes & wanted) != 0; }
  bool is_newline() const { return code_point == '\n' || code_point == '\r'; }
};

/// A piece as the scanners see it: look-ahead ends at the piece's end, as it does in
/// a regular expression that is applied to the piece alone.
struct Piece {
  const Character* text = nullptr;
  size_t begin = 0;
  size_t end = 0;  ///< one past the last character

  bool has(size_t at, Classes wanted) const { return at < end && text[at].is(wanted); }
  bool has_code_point(size_t at, char32_t c) const { return at < end && text[at].code_point == c; }
};

/// Cuts a piece: appends the end of each part, the last of which is piece.end.
using Splitter = void (*)(const Piece& piece, std::vector<size_t>& ends);

// The scanners, named after the families of pre-tokenizers; the regular expression
// of each stands beside its definition. Text that no alternative matches becomes a part
// of its own.

void split_gpt2_words(const Piece& piece, std::vector<size_t>& ends);
void split_llama3_words(const Piece& piece, std::vector<size_t>& ends);
void split_jais2_words(const Piece& piece, std::vector<size_t>& ends);
void split_qwen2_words(const Piece& piece, std::vector<size_t>& ends);
void split_qwen35_words(const Piece& piece, std::vector<size_t>& ends);
void split_minicpm5_words(const Piece& piece, std::vector<size_t>& ends);
void split_seed_coder_words(const Piece& piece, std::vector<size_t>& ends);
void split_uncontracted_words(const Piece& piece, std::vector<size_t>& ends);
void split_tekken_words(const Piece& piece, std::vector<size_t>& ends);
void split_gpt4o_words(const Piece& piece, std::vector<size_t>& ends);
void split_deepseek3_words(const Piece& piece, std::vector<size_t>& ends);

// Scanners for one class of characters (class_scanner.cpp).

void split_single_numbers(const Piece& piece, std::vector<size_t>& ends);
void split_number_runs(const Piece& piece, std::vector<size_t>& ends);
void split_number_triples(const Piece& piece, std::vector<size_t>& ends);
void split_number_triples_from_right(const Piece& piece, std::vector<size_t>& ends);
void split_ascii_digit_triples(const Piece& piece, std::vector<size_t>& ends);
void split_default_punctuation(const Piece& piece, std::vector<size_t>& ends);
void split_falcon_punctuation(const Piece& piece, std::vector<size_t>& ends);
void split_single_newlines(const Piece& piece, std::vector<size_t>& ends);
void split_newline_runs(const Piece& piece, std::vector<size_t>& ends);
void split_spaced_letters(const Piece& piece, std::vector<size_t>& ends);
void split_spaced_punctuation(const Piece& piece, std::vector<size_t>& ends);
void split_deepseek_alphabets(const Piece& piece, std::vector<size_t>& ends);
void split_deepseek_punctuation(const Piece& piece, std::vector<size_t>& ends);
void split_deepseek_cjk(const Piece& piece, std::vector<size_t>& ends);
void split_deepseek3_cjk(const Piece& piece, std::vector<size_t>& ends);
void split_trailing_space(const Piece& piece, std::vector<size_t>& ends);
void split_before_spaces(const Piece& piece, std::vector<size_t>& ends);
void split_bloom_words(const Piece& piece, std::vector<size_t>& ends);

/// Drives a matcher over a piece. `match(position)` gives the length of the match there
/// or 0; what lies between two matches becomes a part.
template <typename Matcher>
void split_by(const Piece& piece, std::vector<size_t>& ends, Matcher&& match) {
  size_t unmatched = piece.begin;
  for (size_t at = piece.begin; at < piece.end;) {
    const size_t length = match(at);
    if (length == 0) {
      ++at;
      continue;
    }
    if (unmatched < at) ends.push_back(at);
    at += length;
    ends.push_back(at);
    unmatched = at;
  }
  if (unmatched < piece.end) ends.push_back(piece.end);
}

}  // namespace lazyllm::text
