// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common_options.h"

namespace lazyllm::cli {

/// Flags of `lazyllm eval` as the user wrote them.
struct EvalOptions {
  CommonOptions common;
  std::string suite = "longbench", data, out, haystack;
  std::optional<std::string> part;
  std::vector<std::string> tasks, policies;
  std::vector<int64_t> lengths;
  std::vector<double> depths;
  int64_t limit = 0, max_length = 0, continuation = 128;

  uint64_t seed(uint64_t usual) const {
    return common.seed < 0 ? usual : static_cast<uint64_t>(common.seed);
  }
};

}  // namespace lazyllm::cli
