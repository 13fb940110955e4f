// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lazyllm::evaluation {

/// F of "rouge-l" as the Python package rouge 1.0.1 gives it with avg=True, and 0 where that
/// raises an error: for a text without sentences and where its recursion is exhausted.
double rouge_l(std::string_view hypothesis, std::string_view reference);

}  // namespace lazyllm::evaluation
