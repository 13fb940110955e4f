// SPDX-License-Identifier: Apache-2.0
#include "lazy/selection.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"

namespace lazyllm::lazy {
namespace {

struct Candidate {
  float score;
  int32_t token;
};

/// Descending score, ties to the later position: a total order, so the outcome is unique.
bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.token > b.token;
}

}  // namespace

int64_t kept_count(double keep, int64_t count) {
  // The slack undoes the rounding of products such as 0.1 * 30.
  const auto kept = static_cast<int64_t>(std::ceil(keep * static_cast<double>(count) - 1e-9));
  return std::clamp<int64_t>(kept, 1, count);
}

std::vector<int32_t> select(const SelectionInput& input, int64_t& revivals_left) {
  LAZYLLM_CHECK(!input.set.empty() && input.set.size() == input.scores.size());
  std::vector<Candidate> guarded, others;
  for (size_t i = 0; i < input.set.size(); ++i) {
    const int32_t token = input.set[i];
    const bool stays = token == input.set.back() || input.is_protected(token);
    (stays ? guarded : others).push_back({input.scores[i], token});
  }
  const auto missing = std::clamp<int64_t>(input.keep - static_cast<int64_t>(guarded.size()), 0,
                                           static_cast<int64_t>(others.size()));
  const auto cut = others.begin() + missing;
  if (cut != others.end()) std::nth_element(others.begin(), cut, others.end(), ranks_before);

  std::vector<int32_t> kept;
  int64_t refused = 0;
  const auto take_or_refuse = [&](const Candidate& candidate) {
    if (input.standing(candidate.token) == Standing::waiting) {
      if (revivals_left == 0) {
        ++refused;
        return;
      }
      if (revivals_left > 0) --revivals_left;
    }
    kept.push_back(candidate.token);
  };
  if (revivals_left >= 0) {  // the order matters only while a budget runs out
    std::sort(guarded.begin(), guarded.end(), ranks_before);
    std::sort(others.begin(), cut, ranks_before);
  }
  for (const Candidate& candidate : guarded) take_or_refuse(candidate);
  std::for_each(others.begin(), cut, take_or_refuse);

  if (refused > 0) {
    std::vector<Candidate> substitutes;
    std::copy_if(cut, others.end(), std::back_inserter(substitutes),
                 [&](const Candidate& candidate) {
                   return input.standing(candidate.token) == Standing::stored;
                 });
    const auto count = std::min<int64_t>(refused, static_cast<int64_t>(substitutes.size()));
    std::partial_sort(substitutes.begin(), substitutes.begin() + count, substitutes.end(),
                      ranks_before);
    for (int64_t i = 0; i < count; ++i) kept.push_back(substitutes[static_cast<size_t>(i)].token);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace lazyllm::lazy
