// SPDX-License-Identifier: Apache-2.0
#include "evaluation/sentences.h"

#include <algorithm>

#include "evaluation/words.h"

namespace lazyllm::evaluation {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Length of a closing quote or bracket here, or 0.
size_t closing(std::string_view text) {
  for (const std::string_view mark : {"\"", "'", ")", "]", "\u201d", "\u2019"}) {
    if (text.starts_with(mark)) return mark.size();
  }
  return 0;
}

/// Whether the dot at the end of `text` belongs to an abbreviation or an initial.
bool is_abbreviation(std::string_view text) {
  static constexpr std::string_view kKnown[] = {"Mr",  "Mrs",  "Ms",  "Dr",  "St",  "Prof",
                                                "Rev", "Capt", "Col", "Gen", "Sr",  "Jr",
                                                "etc", "vol",  "No",  "vs",  "e.g", "i.e"};
  text.remove_suffix(1);
  size_t begin = text.size();
  while (begin > 0 && (is_letter(text[begin - 1]) || text[begin - 1] == '.')) --begin;
  const std::string_view word = text.substr(begin);
  const bool initial = word.size() == 1 && word[0] != 'I' && word[0] >= 'A' && word[0] <= 'Z';
  return initial || std::find(std::begin(kKnown), std::end(kKnown), word) != std::end(kKnown);
}

}  // namespace

std::vector<std::string_view> split_sentences(std::string_view text) {
  std::vector<std::string_view> result;
  size_t begin = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '.' && text[at] != '!' && text[at] != '?') continue;
    size_t end = at + 1;
    while (const size_t mark = closing(text.substr(end))) end += mark;
    if (end >= text.size() || !is_space(text[end])) continue;
    if (text[at] == '.' && end == at + 1 && is_abbreviation(text.substr(begin, end - begin)))
      continue;
    while (end < text.size() && is_space(text[end])) ++end;
    result.push_back(text.substr(begin, end - begin));
    begin = end;
    at = end - 1;
  }
  if (begin < text.size()) result.push_back(text.substr(begin));
  return result;
}

std::string collapse_white_space(std::string_view text) {
  std::string result;
  for (const std::string_view word : split_words(text)) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

std::string enumerate(const std::vector<std::string>& parts) {
  std::string result;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result += parts.size() > 2 ? ", " : " ";
    if (i > 0 && i + 1 == parts.size()) result += "and ";
    result += parts[i];
  }
  return result;
}

}  // namespace lazyllm::evaluation
