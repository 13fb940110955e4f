// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/error.h"

namespace lazyllm::engine {
namespace {

bool in_range(float value, float low, float high) {
  return value >= low && value <= high;
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options) : options_(options), generator_(options.seed) {
  if (!in_range(options.temperature, 0.0f, 1000.0f)) {
    fail(ErrorCode::usage, "--temp {}: write a number from 0 to 1000", options.temperature);
  }
  if (!in_range(options.top_p, 0.0f, 1.0f) || !in_range(options.min_p, 0.0f, 1.0f)) {
    fail(ErrorCode::usage, "--top-p {} and --min-p {} must lie in 0 to 1", options.top_p,
         options.min_p);
  }
  if (options.top_k < 0) fail(ErrorCode::usage, "--top-k {}: must not be negative", options.top_k);
  if (!(options.repeat_penalty > 0.0f) || !std::isfinite(options.repeat_penalty)) {
    fail(ErrorCode::usage, "--repeat-penalty {}: must be above 0", options.repeat_penalty);
  }
  if (!in_range(options.frequency_penalty, -100.0f, 100.0f) ||
      !in_range(options.presence_penalty, -100.0f, 100.0f)) {
    fail(ErrorCode::usage,
         "--frequency-penalty {} and --presence-penalty {} must lie in -100 to 100",
         options.frequency_penalty, options.presence_penalty);
  }
  for (const LogitBias& bias : options.logit_bias) {
    if (!std::isnan(bias.bias) && !(bias.bias > 1e6f)) continue;
    fail(ErrorCode::usage, "the logit bias of token {} is not a usable number", bias.token);
  }
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const int32_t> recent) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    const bool is_number = logits[i] <= std::numeric_limits<float>::max();  // not NaN, not infinite
    if (is_number) candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  }
  if (candidates_.empty()) {
    fail(ErrorCode::internal,
         "the model computed no number for any next token; its file is damaged: fetch it again");
  }
  add_bias();
  std::erase_if(candidates_, [](const Candidate& c) {
    return c.logit == -std::numeric_limits<float>::infinity();
  });
  if (candidates_.empty()) {
    fail(ErrorCode::invalid_input,
         "no token may come next: what the answer's form allows here, logit_bias forbids; change "
         "one of both");
  }
  penalise(recent);
  if (options_.temperature <= 0.0f) return last_ = greedy();
  keep_top_k();
  keep_top_p();
  keep_min_p();
  return last_ = draw();
}

std::vector<Sampler::Chance> Sampler::last_chances() const {
  if (options_.temperature <= 0.0f) return {{last_, 1.0}};
  std::vector<Chance> chances;
  double sum = 0.0;
  for (const Candidate& c : candidates_) {
    const double weight =
        std::exp(static_cast<double>(c.logit - candidates_[0].logit) / options_.temperature);
    sum += weight;
    if (weight > 0.0) chances.push_back({c.token, weight});
  }
  for (Chance& chance : chances) chance.probability /= sum;
  return chances;
}

void Sampler::add_bias() {
  for (const LogitBias& bias : options_.logit_bias) {
    // Candidates stand by rising token, with gaps only where a logit was no number.
    const auto found = std::lower_bound(
        candidates_.begin(), candidates_.end(), bias.token,
        [](const Candidate& candidate, int32_t token) { return candidate.token < token; });
    if (found != candidates_.end() && found->token == bias.token) found->logit += bias.bias;
  }
}

void Sampler::penalise(std::span<const int32_t> recent) {
  const bool off = options_.repeat_penalty == 1.0f && options_.frequency_penalty == 0.0f &&
                   options_.presence_penalty == 0.0f;
  if (off || options_.repeat_last_n == 0) return;
  const size_t count = options_.repeat_last_n < 0
                           ? recent.size()
                           : std::min(recent.size(), static_cast<size_t>(options_.repeat_last_n));
  const auto last = recent.last(count);
  std::unordered_map<int32_t, int> times;
  for (const int32_t token : last) ++times[token];
  for (Candidate& candidate : candidates_) {
    const auto seen = times.find(candidate.token);
    if (seen == times.end()) continue;
    candidate.logit = candidate.logit > 0.0f ? candidate.logit / options_.repeat_penalty
                                             : candidate.logit * options_.repeat_penalty;
    candidate.logit -=
        static_cast<float>(seen->second) * options_.frequency_penalty + options_.presence_penalty;
  }
}

int32_t Sampler::greedy() const {
  // max_element takes the first of equals: the lowest id, as everybody else does.
  return std::max_element(candidates_.begin(), candidates_.end(),
                          [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; })
      ->token;
}

void Sampler::keep_top_k() {
  const auto descending = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  const size_t k = options_.top_k == 0
                       ? candidates_.size()
                       : std::min(candidates_.size(), static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k),
                    candidates_.end(), descending);
  candidates_.resize(k);
}

void Sampler::keep_top_p() {
  if (options_.top_p >= 1.0f) return;
  double sum = 0.0;
  for (const Candidate& c : candidates_)
    sum += std::exp(static_cast<double>(c.logit - candidates_[0].logit));
  double mass = 0.0;
  size_t kept = 0;
  while (kept < candidates_.size() && (kept == 0 || mass < options_.top_p * sum)) {
    mass += std::exp(static_cast<double>(candidates_[kept++].logit - candidates_[0].logit));
  }
  candidates_.resize(kept);
}

void Sampler::keep_min_p() {
  if (options_.min_p <= 0.0f) return;
  const float threshold = candidates_[0].logit + std::log(options_.min_p);
  std::erase_if(candidates_, [&](const Candidate& c) { return c.logit < threshold; });
}

int32_t Sampler::draw() {
  std::vector<double> weights;
  double sum = 0.0;
  for (const Candidate& c : candidates_) {
    sum += std::exp(static_cast<double>(c.logit - candidates_[0].logit) / options_.temperature);
    weights.push_back(sum);
  }
  // 53 random bits, by hand: std::uniform_real_distribution differs between libraries.
  const double point = static_cast<double>(generator_() >> 11) * 0x1p-53 * sum;
  const auto chosen = std::upper_bound(weights.begin(), weights.end(), point);
  const auto index = std::min<std::ptrdiff_t>(chosen - weights.begin(),
                                              static_cast<std::ptrdiff_t>(candidates_.size()) - 1);
  return candidates_[static_cast<size_t>(index)].token;
}

}  // namespace lazyllm::engine
