// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

// Strings as Python's str and re see them; invalid UTF-8 bytes count as characters.
namespace lazyllm::evaluation {

/// str.lower()
std::string lower(std::string_view text);
/// str.split()
std::vector<std::string_view> split_words(std::string_view text);
/// re.findall(r"\d+", text)
std::vector<std::string_view> find_numbers(std::string_view text);
/// What the regular expression \w matches.
bool is_word_character(char32_t code);
/// Lower case, without ASCII punctuation, without the articles a, an, the; single spaces.
std::string normalize_answer(std::string_view text);

}  // namespace lazyllm::evaluation
