// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lazyllm::text {

/// The generated table: ranges of code points of one category, ascending from 0;
/// each entry is (first code point << 4) | Category. Use category_of() instead.
extern const uint32_t kCategoryRanges[];
extern const int kCategoryRangeCount;

}  // namespace lazyllm::text
