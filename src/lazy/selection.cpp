// SPDX-License-Identifier: Apache-2.0
#include "lazy/selection.h"

#include <algorithm>
#include <cmath>

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
  std::vector<int32_t> kept;
  const auto take = [&](const Candidate& candidate) {
    if (input.standing(candidate.token) == Standing::waiting) {
      if (revivals_left == 0) return;
      if (revivals_left > 0) --revivals_left;
    }
    kept.push_back(candidate.token);
  };
  std::sort(guarded.begin(), guarded.end(), ranks_before);
  for (const Candidate& candidate : guarded) take(candidate);

  // Usually every candidate that ranks among the missing ones is accepted: order
  // only as many as are needed, and go on only while some were refused.
  auto next = others.begin();
  while (static_cast<int64_t>(kept.size()) < input.keep && next != others.end()) {
    const auto missing = input.keep - static_cast<int64_t>(kept.size());
    const auto end = next + std::min<int64_t>(missing, others.end() - next);
    if (end != others.end()) std::nth_element(next, end, others.end(), ranks_before);
    std::sort(next, end, ranks_before);
    for (; next != end; ++next) take(*next);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

}  // namespace lazyllm::lazy
