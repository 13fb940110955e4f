// SPDX-License-Identifier: Apache-2.0
#include "lazy/selection.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "base/error.h"

namespace lazyllm::lazy {
int64_t kept_count(double keep, int64_t count) {
  // The slack undoes the rounding of products such as 0.1 * 30.
  const auto kept = static_cast<int64_t>(std::ceil(keep * static_cast<double>(count) - 1e-9));
  return std::clamp<int64_t>(kept, 1, count);
}

int64_t count_for_mass(std::span<const int32_t> set, std::span<const float> scores, double mass,
                       const std::function<bool(int32_t)>& is_protected,
                       std::vector<float>& others) {
  others.clear();
  double total = 0.0;
  for (size_t i = 0; i < set.size(); ++i) {
    if (set[i] == set.back() || is_protected(set[i])) continue;
    others.push_back(scores[i]);
    total += scores[i];
  }
  std::sort(others.begin(), others.end(), std::greater<>());
  size_t count = 0;
  // The slack undoes the rounding of sums that should be equal.
  for (double held = 0.0; count < others.size() && held < mass * total * (1.0 - 1e-9); ++count) {
    held += others[count];
  }
  return static_cast<int64_t>(set.size() - others.size() + count);
}

const std::vector<int32_t>& Selector::select(const SelectionInput& input, int64_t& revivals_left) {
  LAZYLLM_CHECK(!input.set.empty() && input.set.size() == input.scores.size());
  guarded_.clear();
  others_.clear();
  kept_.clear();
  for (size_t i = 0; i < input.set.size(); ++i) {
    const int32_t token = input.set[i];
    const bool stays = token == input.set.back() || input.is_protected(token);
    (stays ? guarded_ : others_).push_back({input.scores[i], token});
  }
  const auto missing = std::clamp<int64_t>(input.keep - static_cast<int64_t>(guarded_.size()), 0,
                                           static_cast<int64_t>(others_.size()));
  const auto cut = others_.begin() + missing;
  if (cut != others_.end()) std::nth_element(others_.begin(), cut, others_.end(), ranks_before);

  int64_t refused = 0;
  const auto take_or_refuse = [&](const Candidate& candidate) {
    if (input.standing(candidate.token) == Standing::waiting) {
      if (revivals_left == 0) {
        ++refused;
        return;
      }
      if (revivals_left > 0) --revivals_left;
    }
    kept_.push_back(candidate.token);
  };
  if (revivals_left >= 0) {  // the order matters only while a budget runs out
    std::sort(guarded_.begin(), guarded_.end(), ranks_before);
    std::sort(others_.begin(), cut, ranks_before);
  }
  for (const Candidate& candidate : guarded_) take_or_refuse(candidate);
  std::for_each(others_.begin(), cut, take_or_refuse);

  if (refused > 0) {
    substitutes_.clear();
    std::copy_if(cut, others_.end(), std::back_inserter(substitutes_),
                 [&](const Candidate& candidate) {
                   return input.standing(candidate.token) == Standing::stored;
                 });
    const auto count = std::min<int64_t>(refused, static_cast<int64_t>(substitutes_.size()));
    std::partial_sort(substitutes_.begin(), substitutes_.begin() + count, substitutes_.end(),
                      ranks_before);
    for (int64_t i = 0; i < count; ++i) kept_.push_back(substitutes_[static_cast<size_t>(i)].token);
  }
  std::sort(kept_.begin(), kept_.end());
  return kept_;
}

}  // namespace lazyllm::lazy
