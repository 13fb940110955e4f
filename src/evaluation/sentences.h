// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::evaluation {

/// The text cut after each sentence; a sentence keeps the white space behind it, so that all of
/// them together are the text. Knows common English abbreviations and initials.
std::vector<std::string_view> split_sentences(std::string_view text);

/// " ".join(text.split())
std::string collapse_white_space(std::string_view text);

/// "a", "a and b", "a, b, and c"
std::string enumerate(const std::vector<std::string>& parts);

}  // namespace lazyllm::evaluation
