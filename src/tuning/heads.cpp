// SPDX-License-Identifier: Apache-2.0
#include "tuning/heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

#include "lazyllm/research/attention.h"

namespace lazyllm::tuning {
namespace {

constexpr size_t kMostHeads = 8;
constexpr size_t kMostTried = 24;     // the best ones alone
constexpr double kLeastGain = 0.002;  // of the share held: below it a head only adds noise

double sum_of(std::span<const float> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void add_to(std::vector<float>& sums, std::span<const float> values, float weight) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += weight * values[i];
}

/// Share of what is needed that lies in the tokens of the highest scores.
double held(const std::vector<float>& scores, std::span<const float> needed, double keep) {
  std::vector<float> sorted = scores;
  const auto kept = static_cast<std::ptrdiff_t>(keep * static_cast<double>(sorted.size()));
  std::nth_element(sorted.begin(), sorted.begin() + kept, sorted.end(), std::greater<>());
  const float least = sorted[static_cast<size_t>(kept)];
  double inside = 0.0;
  for (size_t i = 0; i < scores.size(); ++i) inside += scores[i] > least ? needed[i] : 0.0f;
  const double all = sum_of(needed);
  return all > 0.0 ? inside / all : 1.0;
}

}  // namespace

double HeadCalibration::Head::weight() const {
  const double sum = std::accumulate(mass.begin(), mass.end(), 0.0);
  return sum > 0.0 ? static_cast<double>(mass.size()) / sum : 0.0;
}

std::string HeadCalibration::to_score(std::vector<const Head*> heads) {
  std::sort(heads.begin(), heads.end());  // they lie in one list, by layer and head
  std::string text;
  for (const Head* head : heads) {
    text += fmt::format("{}{}.{}={:.3g}", text.empty() ? "heads:" : ",", head->layer, head->head,
                        head->weight());
  }
  return text;
}

void HeadCalibration::add(const Model& model, const TunePrompt& prompt) {
  const auto tokens = std::ssize(prompt.prompt);
  const int64_t first = options_.protect_first, last = tokens - options_.protect_last;
  if (last - first < 2 * options_.pool) return;
  const auto unprotected = [&](std::span<const float> values) {
    return values.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
  };
  size_t next = 0;
  const auto take = [&](const AnswerAttention& attention) {
    const auto layer = static_cast<size_t>(attention.layer);
    if (needed_.size() <= layer) needed_.resize(layer + 1);
    const std::span<const float> needed = unprotected(attention.needed);
    needed_[layer].emplace_back(needed.begin(), needed.end());
    if (attention.layer > options_.last_cut) return;
    const size_t heads = attention.seen.size() / prompt.prompt.size();
    for (size_t h = 0; h < heads; ++h, ++next) {
      if (heads_.size() == next) {
        heads_.push_back({attention.layer, static_cast<int>(h) + 1, {}, {}});
      }
      const auto look =
          unprotected(attention.seen.subspan(h * prompt.prompt.size(), prompt.prompt.size()));
      heads_[next].mass.push_back(sum_of(look));
      heads_[next].looks.emplace_back(look.begin(), look.end());
    }
  };
  answer_attention(model, prompt.prompt, prompt.answer, options_.pool, take);
}

std::vector<std::vector<float>> HeadCalibration::needed_behind(int layer) const {
  std::vector<std::vector<float>> sums;
  for (size_t l = static_cast<size_t>(layer) + 1; l < needed_.size(); ++l) {
    if (sums.empty())
      sums = needed_[l];
    else
      for (size_t p = 0; p < needed_[l].size(); ++p) add_to(sums[p], needed_[l][p], 1.0f);
  }
  return sums;
}

std::string HeadCalibration::score(int layer) const {
  const std::vector<std::vector<float>> needed = needed_behind(layer);
  std::vector<std::vector<float>> sums;
  for (const std::vector<float>& tokens : needed) sums.emplace_back(tokens.size(), 0.0f);
  const auto mean_held = [&](const Head& head) {
    double sum = 0.0;
    for (size_t p = 0; p < needed.size(); ++p) {
      std::vector<float> scores = sums[p];
      add_to(scores, head.looks[p], static_cast<float>(head.weight()));
      sum += held(scores, needed[p], options_.keep);
    }
    return sum / static_cast<double>(needed.size());
  };
  std::vector<std::pair<double, const Head*>> ranked;
  for (const Head& head : heads_) {
    if (head.layer <= layer && !needed.empty()) ranked.emplace_back(mean_held(head), &head);
  }
  std::sort(ranked.rbegin(), ranked.rend());
  ranked.resize(std::min(ranked.size(), kMostTried));
  std::vector<const Head*> chosen;
  double best = 0.0;
  while (chosen.size() < kMostHeads) {
    const Head* next = nullptr;
    const double before = best;
    for (const auto& [alone, head] : ranked) {
      if (std::count(chosen.begin(), chosen.end(), head) > 0) continue;
      const double now = chosen.empty() ? alone : mean_held(*head);
      if (now < before + kLeastGain || now <= best) continue;
      best = now;
      next = head;
    }
    if (next == nullptr) break;
    chosen.push_back(next);
    for (size_t p = 0; p < sums.size(); ++p) {
      add_to(sums[p], next->looks[p], static_cast<float>(next->weight()));
    }
  }
  return to_score(chosen);
}

}  // namespace lazyllm::tuning
