// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "jinja/budget.h"

namespace lazyllm::jinja {

/// std::string_view::find whose every comparison is paid for, so that a hostile
/// pair of texts cannot make it run for hours.
inline size_t find_bytes(std::string_view text, std::string_view wanted, size_t from,
                         Budget& budget) {
  if (from > text.size() || wanted.size() > text.size() - from) return std::string_view::npos;
  if (wanted.empty()) return from;
  const size_t last = text.size() - wanted.size();
  while (from <= last) {
    const void* hit = std::memchr(text.data() + from, wanted[0], last - from + 1);
    if (hit == nullptr) break;
    const auto at = static_cast<size_t>(static_cast<const char*>(hit) - text.data());
    size_t same = 1;
    while (same < wanted.size() && text[at + same] == wanted[same]) ++same;
    budget.charge((at - from) / 16 + same);
    if (same == wanted.size()) return at;
    from = at + 1;
  }
  budget.charge(from <= last ? (last - from) / 16 : 1);
  return std::string_view::npos;
}

/// The last place that ends at or before `end`.
inline size_t rfind_bytes(std::string_view text, std::string_view wanted, size_t end,
                          Budget& budget) {
  if (wanted.size() > end) return std::string_view::npos;
  for (size_t at = end - wanted.size() + 1; at-- > 0;) {
    size_t same = 0;
    while (same < wanted.size() && text[at + same] == wanted[same]) ++same;
    budget.charge(same + 1);
    if (same == wanted.size()) return at;
  }
  return std::string_view::npos;
}

}  // namespace lazyllm::jinja
