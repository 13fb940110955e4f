// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::lazy {

/// How a pruning layer's attention becomes one importance score per token (paper, Eq. 1).
struct ImportanceScore {
  int window = 1;  ///< mean over the queries of the last `window` positions; 1 is the paper's
  int pool = 1;  ///< then the mean over `pool` neighbours in the order of the set; 1 is the paper's

  /// "last" or "window:W". Errors: Error(usage).
  static int parse_window(std::string_view text);
  std::string describe() const;
};

/// scores[i] = mean of scores over the `pool` entries centred on i; at the ends over those that
/// exist.
void pool_scores(std::span<float> scores, int pool, std::vector<double>& scratch);

}  // namespace lazyllm::lazy
