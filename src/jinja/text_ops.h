// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "jinja/value.h"

namespace lazyllm::jinja {

/// Python's str methods that filters share with templates. Origins follow every
/// character; what is put in (a replacement, a separator) keeps its own.
enum class Case { upper, lower, capitalized, title, words };
Text with_case(const Text& text, Case wanted, Budget& budget);

/// Without `chars`: whitespace.
Text stripped(const Text& text, const std::optional<Text>& chars, bool left, bool right,
              Budget& budget);
/// `count` < 0: all.
Text replaced(const Text& text, const Text& from, const Text& to, int64_t count, Budget& budget);
/// Pieces between separators; without one, between runs of whitespace.
Values split(const Text& text, const std::optional<Text>& separator, int64_t limit, bool from_right,
             Budget& budget);
std::vector<Text> split_lines(const Text& text, bool keep_ends, Budget& budget);
Text joined(const Text& separator, const std::vector<Text>& parts, Budget& budget);

}  // namespace lazyllm::jinja
