// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm {

/// LongBench's metrics by their names there: qa_f1, rouge, classification, retrieval, count,
/// code_sim (with difflib's ratio, as its requirements install it).
std::vector<std::string> metric_names();

/// Score of one prediction against one answer, 0 to 1. `all_classes`: the labels of the
/// task, for classification. Thread-safe.
/// Errors: Error(usage) for an unknown metric; Error(invalid_input) when an answer has no
/// paragraph number (retrieval).
double metric_score(std::string_view metric, std::string_view prediction, std::string_view answer,
                    const std::vector<std::string>& all_classes = {});

}  // namespace lazyllm
