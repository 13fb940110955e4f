// SPDX-License-Identifier: Apache-2.0
#include "lazy/importance_score.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::lazy {

void ImportanceScore::parse(std::string_view text) {
  const int kept_pool = pool;
  *this = {};
  pool = kept_pool;
  ScoreText rest(text);
  form = &find_score_form(rest);
  form->parse(rest, *this);
  rest.end();
}

std::string ImportanceScore::describe() const {
  const std::string text = form->describe(*this);
  if (pool == 1) return text;
  const bool spread = form->pooling() == Pooling::spread;
  return fmt::format("{}, {} over {}", text, spread ? "spread" : "pooled", pool);
}

std::string print_window(const ImportanceScore& score) {
  return score.window == 1 ? "" : fmt::format("@{}", score.window);
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

void spread_scores(std::span<float> scores, int reach, std::vector<float>& scratch) {
  if (reach <= 1 || scores.empty()) return;
  constexpr float kLoss = 0.25f;  // of a score at the end of its reach
  const int64_t count = std::ssize(scores), after = reach / 8, before = reach - 1 - after;
  scratch.resize(scores.size());
  std::copy(scores.begin(), scores.end(), scratch.begin());
  // Distance by distance: these loops run in every decode step, and so they are vectorised.
  for (int64_t d = 1; d <= std::min(before, count - 1); ++d) {
    const float share = 1.0f - kLoss * static_cast<float>(d) / static_cast<float>(before);
    for (int64_t i = d; i < count; ++i) {
      float& target = scores[static_cast<size_t>(i)];
      target = std::max(target, scratch[static_cast<size_t>(i - d)] * share);
    }
  }
  for (int64_t d = 1; d <= std::min(after, count - 1); ++d) {
    const float share = 1.0f - kLoss * static_cast<float>(d) / static_cast<float>(after);
    for (int64_t i = 0; i < count - d; ++i) {
      float& target = scores[static_cast<size_t>(i)];
      target = std::max(target, scratch[static_cast<size_t>(i + d)] * share);
    }
  }
}

void pool_scores(std::span<float> scores, const ImportanceScore& score, PoolScratch& scratch) {
  if (score.form->pooling() == Pooling::spread) {
    spread_scores(scores, score.pool, scratch.scores);
  } else {
    pool_scores(scores, score.pool, scratch.sums);
  }
}

}  // namespace lazyllm::lazy
