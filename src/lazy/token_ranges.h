// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "lazyllm/options.h"

namespace lazyllm::lazy {

/// Whether one of the ranges (rising, disjoint) holds the token.
inline bool contains(std::span<const TokenRange> ranges, int64_t token) {
  const auto range = std::upper_bound(ranges.begin(), ranges.end(), token,
                                      [](int64_t t, const TokenRange& r) { return t < r.end; });
  return range != ranges.end() && token >= range->begin;
}

}  // namespace lazyllm::lazy
