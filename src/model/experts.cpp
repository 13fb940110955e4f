// SPDX-License-Identifier: Apache-2.0
#include "model/experts.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace lazyllm::model {
namespace {

size_t source_bytes(const ExpertSources& sources) {
  return sources[0].bytes() + sources[1].bytes() + sources[2].bytes();
}

}  // namespace

size_t default_expert_budget() {
  constexpr size_t kUnknown = size_t{8} << 30;
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page_bytes <= 0) return kUnknown;
  return static_cast<size_t>(pages) * static_cast<size_t>(page_bytes) / 10 * 7;
}

void ExpertStore::add_layer(std::vector<ExpertSources> sources, const std::string& file) {
  const std::lock_guard lock(mutex_);
  file_ = file;
  const int layer = static_cast<int>(layers_.size());
  layers_.emplace_back();
  layers_.back().resize(sources.size());
  for (size_t expert = 0; expert < sources.size(); ++expert) {
    Entry& entry = layers_.back()[expert];
    entry.sources = std::move(sources[expert]);
    source_bytes_ += source_bytes(entry.sources);
    if (repacked_bytes_ + source_bytes(entry.sources) <= budget_) {
      repack(layer, static_cast<int>(expert));
    }
  }
}

FeedForwardWeights& ExpertStore::repack(int layer, int expert) const {
  Entry& entry = layers_[static_cast<size_t>(layer)][static_cast<size_t>(expert)];
  const auto load = [&](const ExpertSource& from) {
    kernels::WeightSource source = from.source;
    std::vector<std::byte> made;
    if (from.make != nullptr) {
      made.resize(from.bytes());
      from.make(made.data());
      source.data = made;
    }
    try {
      return backend_.load_weight(std::span(&source, 1), /*drop_source=*/made.empty());
    } catch (const Error& error) {
      fail(error.code(), "{}: {}", file_, error.what());
    }
  };
  FeedForwardWeights weights;
  weights.gate_proj = load(entry.sources[0]);
  weights.up_proj = load(entry.sources[1]);
  weights.down_proj = load(entry.sources[2]);
  entry.weights = std::move(weights);
  recent_.emplace_front(layer, expert);
  entry.used = recent_.begin();
  repacked_bytes_ += entry.weights.bytes();
  return entry.weights;
}

FeedForwardWeights ExpertStore::get(int layer, int expert) const {
  const std::lock_guard lock(mutex_);
  Entry& entry = layers_[static_cast<size_t>(layer)][static_cast<size_t>(expert)];
  if (entry.weights.gate_proj != nullptr) {
    recent_.splice(recent_.begin(), recent_, entry.used);
    return entry.weights;
  }
  const FeedForwardWeights weights = repack(layer, expert);
  while (repacked_bytes_ > budget_ && recent_.size() > 1) {
    const auto [old_layer, old_expert] = recent_.back();
    recent_.pop_back();
    FeedForwardWeights& old =
        layers_[static_cast<size_t>(old_layer)][static_cast<size_t>(old_expert)].weights;
    repacked_bytes_ -= old.bytes();
    old = {};  // whoever computes with it holds it still
  }
  return weights;
}

size_t ExpertStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return std::max(repacked_bytes_, std::min(source_bytes_, budget_));
}

int ExpertStore::input_bytes() const {
  return backend_.input_bytes(*get(0, 0).gate_proj);
}

void choose_experts(std::span<const float> logits, const ExpertParameters& parameters,
                    std::span<const float> selection_bias, std::vector<RoutedExpert>& chosen) {
  const auto count = static_cast<int32_t>(logits.size());
  const float highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  chosen.clear();
  for (int32_t expert = 0; expert < count; ++expert) {
    const float logit = logits[static_cast<size_t>(expert)];
    const float weight =
        parameters.sigmoid ? 1.0f / (1.0f + std::exp(-logit)) : std::exp(logit - highest);
    sum += weight;
    chosen.push_back({expert, weight});
  }
  if (parameters.sigmoid) sum = 1.0;
  const auto rank = [&](const RoutedExpert& each) {
    const float bias =
        selection_bias.empty() ? 0.0f : selection_bias[static_cast<size_t>(each.expert)];
    return each.weight + bias;
  };
  const auto used = std::min(static_cast<size_t>(parameters.used), chosen.size());
  std::partial_sort(chosen.begin(), chosen.begin() + static_cast<ptrdiff_t>(used), chosen.end(),
                    [&](const RoutedExpert& a, const RoutedExpert& b) {
                      const float of_a = rank(a), of_b = rank(b);
                      return of_a > of_b || (of_a == of_b && a.expert < b.expert);
                    });
  chosen.resize(used);
  if (parameters.normalise) {
    sum = parameters.least_sum;
    for (const RoutedExpert& each : chosen) sum += each.weight;
  }
  for (RoutedExpert& each : chosen) {
    each.weight = static_cast<float>(each.weight / sum * parameters.weight_scale);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const RoutedExpert& a, const RoutedExpert& b) { return a.expert < b.expert; });
}

}  // namespace lazyllm::model
