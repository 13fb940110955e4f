// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace lazyllm {

/// How deep the tokens of a prompt were carried: the layers each one has passed.
struct TokenReport {
  std::vector<int> depths;  ///< [prompt tokens] after the prefill
  struct Revival {
    int64_t step = 0;   ///< answer token (from 1) whose step carried it on
    int64_t token = 0;  ///< of the prompt
    int depth = 0;      ///< after that step
  };
  std::vector<Revival> revivals;
};

}  // namespace lazyllm
