// SPDX-License-Identifier: Apache-2.0
#include "lazy/importance_score.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.h"

namespace lazyllm::lazy {

int ImportanceScore::parse_window(std::string_view text) {
  if (text == "last") return 1;
  constexpr std::string_view kPrefix = "window:";
  if (text.starts_with(kPrefix)) {
    const std::string_view number = text.substr(kPrefix.size());
    int window = 0;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), window);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == number.data() + number.size();
    if (whole && window >= 1 && window <= 4096) return window;
  }
  fail(ErrorCode::usage, "--score {}: write 'last' or 'window:W' with W from 1 to 4096", text);
}

std::string ImportanceScore::describe() const {
  return (window == 1 ? std::string("last") : fmt::format("window:{}", window)) +
         (pool == 1 ? std::string() : fmt::format(", pooled over {}", pool));
}

void pool_scores(std::span<float> scores, int pool, std::vector<double>& sums) {
  if (pool <= 1 || scores.empty()) return;
  const auto count = static_cast<int64_t>(scores.size());
  const int64_t reach = pool / 2;
  sums.resize(scores.size() + 1);  // assign() would take new memory at every token
  sums[0] = 0.0;
  for (size_t i = 0; i < scores.size(); ++i) sums[i + 1] = sums[i] + scores[i];
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = std::max<int64_t>(0, i - reach), end = std::min(count, i + reach + 1);
    const double sum = sums[static_cast<size_t>(end)] - sums[static_cast<size_t>(begin)];
    scores[static_cast<size_t>(i)] = static_cast<float>(sum / static_cast<double>(end - begin));
  }
}

}  // namespace lazyllm::lazy
