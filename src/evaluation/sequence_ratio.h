// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lazyllm::evaluation {

/// difflib.SequenceMatcher(None, a, b).ratio() over characters: twice the length of the
/// matching blocks (Ratcliff and Obershelp) over the length of both, with difflib's rule that
/// characters filling more than 1 % of a `b` of 200 characters or more begin no block.
double sequence_ratio(std::string_view a, std::string_view b);

}  // namespace lazyllm::evaluation
