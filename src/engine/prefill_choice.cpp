// SPDX-License-Identifier: Apache-2.0
#include "engine/prefill_choice.h"

#include <algorithm>

#include "engine/model_implementation.h"

namespace lazyllm::engine {

CachedPrefix cached_prefix(const SnapshotCache& snapshots, std::span<const TokenId> prompt,
                           int depth, int64_t scoring_tokens) {
  const int64_t most = std::max<int64_t>(0, std::ssize(prompt) - scoring_tokens);
  const SnapshotCache::Match match = snapshots.find(prompt, depth, most);
  if (match.snapshot == nullptr) return {};
  return {match.tokens, match.snapshot->depth()};
}

std::vector<SnapshotWish> snapshot_wishes(const PrefillQuestion& question) {
  const lazy::PruningPlan& plan = question.plan;
  const int layers = question.model.info().layers;
  const int64_t tokens = std::ssize(question.prompt);
  if (!question.use_cache || tokens == 0) return {};
  const SnapshotWish dense{question.prompt, layers, tokens - 1};
  const lazy::PolicyDescription* const policy = lazy::find_policy(plan.policy_name);
  const bool prunes = tokens >= plan.min_prompt && policy != nullptr &&
                      policy->cuts != lazy::PolicyDescription::Cuts::none;
  if (!prunes) return {dense};
  const std::unique_ptr<lazy::Policy> pruning = lazy::create_policy(plan);
  if (pruning->edits_prompt()) return {};
  std::vector<SnapshotWish> wishes;
  if (question.wanted == Prefill::soonest && policy->is_for_speed) wishes.push_back(dense);
  const int64_t scoring = std::max(1, pruning->score().window);
  wishes.push_back(
      {question.prompt, exact_depth(*pruning, layers), std::max<int64_t>(0, tokens - scoring)});
  return wishes;
}

PrefillPlan choose_prefill(const PrefillQuestion& question, const SnapshotCache& snapshots,
                           const PrefillRates& rates) {
  const lazy::PruningPlan& plan = question.plan;
  const int layers = question.model.info().layers;
  const int64_t tokens = std::ssize(question.prompt);
  const auto cached = [&](int depth, int64_t scoring_tokens) {
    return question.use_cache ? cached_prefix(snapshots, question.prompt, depth, scoring_tokens)
                              : CachedPrefix{};
  };
  PrefillPlan choice;
  const CachedPrefix dense_cache = cached(layers, 1);
  const std::vector<int64_t> all(static_cast<size_t>(layers), tokens);
  choice.dense_cached_tokens = dense_cache.tokens;
  choice.dense_cached_depth = dense_cache.depth;
  choice.dense_ms = rates.milliseconds(prefill_operations(question.model, all, dense_cache));
  choice.pruned_ms = choice.dense_ms;
  choice.measured = rates.measured();
  const lazy::PolicyDescription* const policy = lazy::find_policy(plan.policy_name);
  const bool prunes = tokens >= plan.min_prompt && policy != nullptr &&
                      policy->cuts != lazy::PolicyDescription::Cuts::none;
  if (!prunes) return choice;

  const std::unique_ptr<lazy::Policy> pruning = lazy::create_policy(plan);
  choice.pruned_ms.reset();
  if (pruning->edits_prompt()) return choice;
  const CachedPrefix pruned_cache =
      cached(exact_depth(*pruning, layers), std::max(1, pruning->score().window));
  choice.pruned_ms = rates.milliseconds(prefill_operations(
      question.model, expected_set_sizes(*pruning, tokens, question.protected_tokens, layers),
      pruned_cache));
  choice.dense_instead = question.wanted == Prefill::soonest && policy->is_for_speed &&
                         choice.dense_ms <= *choice.pruned_ms;
  return choice;
}

}  // namespace lazyllm::engine
