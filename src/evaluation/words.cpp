// SPDX-License-Identifier: Apache-2.0
#include "evaluation/words.h"

#include "jinja/unicode.h"
#include "text/unicode.h"

namespace lazyllm::evaluation {
namespace {

namespace python = jinja;

constexpr char32_t kCapitalSigma = 0x3A3;

/// Characters that a search for the end of a word passes over (Unicode's Case_Ignorable,
/// as far as text has them).
bool is_case_ignorable(char32_t code) {
  if (code == '\'' || code == '.' || code == ':' || code == '^' || code == '`' || code == 0xA8 ||
      code == 0xAD || code == 0xAF || code == 0xB4 || code == 0xB7 || code == 0xB8 ||
      code == 0x2018 || code == 0x2019 || code == 0x2024 || code == 0x2027 ||
      (code >= 0x200B && code <= 0x200F)) {
    return true;
  }
  const text::Classes classes = text::classes_of(code);
  return (classes & (text::kMark | text::class_bit(text::Category::modifier))) != 0;
}

/// Whether a cased character stands before (or after) the byte, ignorable ones passed over.
bool cased_before(std::string_view text, size_t byte) {
  while (byte > 0) {
    byte = python::character_before(text, byte);
    const char32_t code = python::character_at(text, byte).code;
    if (!is_case_ignorable(code)) return python::is_cased(code);
  }
  return false;
}

bool cased_after(std::string_view text, size_t byte) {
  while (byte < text.size()) {
    const python::Character next = python::character_at(text, byte);
    if (!is_case_ignorable(next.code)) return python::is_cased(next.code);
    byte += next.length;
  }
  return false;
}

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool is_article(std::string_view word) {
  return word == "a" || word == "an" || word == "the";
}

/// Calls body(part, inside) for the longest stretches of characters that `belongs` holds for
/// and the stretches between them.
template <typename Belongs, typename Body>
void for_each_stretch(std::string_view text, const Belongs& belongs, const Body& body) {
  size_t begin = 0;
  bool inside = false;
  for (size_t byte = 0; byte < text.size();) {
    const python::Character character = python::character_at(text, byte);
    const bool in = belongs(character.code);
    if (in != inside) {
      if (byte > begin) body(text.substr(begin, byte - begin), inside);
      begin = byte;
      inside = in;
    }
    byte += character.length;
  }
  if (begin < text.size()) body(text.substr(begin), inside);
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out;
  for (size_t byte = 0; byte < text.size();) {
    const python::Character character = python::character_at(text, byte);
    const size_t end = byte + character.length;
    if (character.code == python::kInvalidCharacter) {
      out += text.substr(byte, character.length);
    } else if (character.code == kCapitalSigma) {
      out += cased_before(text, byte) && !cased_after(text, end) ? "\u03C2" : "\u03C3";
    } else {
      out += python::to_lower(character.code);
    }
    byte = end;
  }
  return out;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for_each_stretch(text, python::is_space, [&](std::string_view part, bool space) {
    if (!space) words.push_back(part);
  });
  return words;
}

std::vector<std::string_view> find_numbers(std::string_view text) {
  std::vector<std::string_view> numbers;
  for_each_stretch(text, python::is_decimal, [&](std::string_view part, bool digits) {
    if (digits) numbers.push_back(part);
  });
  return numbers;
}

bool is_word_character(char32_t code) {
  return code == '_' || python::is_alphabetic(code) || python::is_decimal(code) ||
         python::is_digit(code) || python::is_numeric(code);
}

std::string normalize_answer(std::string_view text) {
  std::string plain;
  for (const char c : lower(text)) {
    if (!is_punctuation(c)) plain += c;
  }
  std::string without_articles;
  for_each_stretch(plain, is_word_character, [&](std::string_view part, bool word) {
    if (word && is_article(part)) {
      without_articles += ' ';
    } else {
      without_articles += part;
    }
  });
  std::string out;
  for (const std::string_view word : split_words(without_articles)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

}  // namespace lazyllm::evaluation
