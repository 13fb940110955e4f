// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

// RULER's scores, on predictions that were cleaned as its evaluate.py does it.
namespace lazyllm::evaluation {

/// Share of the answers that the prediction contains, whatever the case. 0 without answers.
double string_match_all(std::string_view prediction, const std::vector<std::string>& answers);
/// 1 if it contains any of them.
double string_match_part(std::string_view prediction, const std::vector<std::string>& answers);

}  // namespace lazyllm::evaluation
