// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "evaluation/random.h"

// Words of our own choice in the place of RULER's (the package wonderwords).
namespace lazyllm::evaluation {

/// "quiet-lantern"
std::string draw_key_words(Random& random);
/// Single words, then pairs of an adjective and a noun, which make cwe lists of any length;
/// all different.
std::vector<std::string> list_words();

}  // namespace lazyllm::evaluation
