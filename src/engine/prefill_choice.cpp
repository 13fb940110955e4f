// SPDX-License-Identifier: Apache-2.0
#include "engine/prefill_choice.h"

#include <algorithm>

#include "engine/model_implementation.h"

namespace lazyllm::engine {

CachedPrefix cached_prefix(const SnapshotCache& snapshots, std::span<const TokenId> prompt,
                           int depth, int64_t scoring_tokens,
                           const lazy::AttentionForm& attention) {
  const int64_t most = std::max<int64_t>(0, std::ssize(prompt) - scoring_tokens);
  const SnapshotCache::Match match = snapshots.find({prompt, depth, most, attention});
  if (match.snapshot == nullptr) return {};
  return {match.tokens, match.snapshot->depth()};
}

std::vector<SnapshotWish> snapshot_wishes(const PrefillQuestion& question) {
  const lazy::PruningPlan& plan = question.plan;
  const int layers = question.model.info().kv_layers;
  const int64_t tokens = std::ssize(question.prompt);
  if (!question.use_cache || tokens == 0) return {};
  const lazy::AttentionForm attention = plan.attention.for_size(tokens);
  const SnapshotWish dense{question.prompt, layers, tokens - 1, attention};
  const lazy::PolicyDescription* const policy = lazy::find_policy(plan.policy_name);
  const bool prunes = tokens >= plan.min_prompt && policy != nullptr &&
                      policy->cuts != lazy::PolicyDescription::Cuts::none;
  if (!prunes) return {dense};
  const std::unique_ptr<lazy::Policy> pruning = lazy::create_policy(plan);
  if (pruning->edits_prompt()) return {};
  std::vector<SnapshotWish> wishes;
  if (question.wanted == Prefill::soonest && policy->is_for_speed) wishes.push_back(dense);
  const int64_t scoring = std::max(1, pruning->score().window);
  wishes.push_back({question.prompt, exact_depth(*pruning, layers),
                    std::max<int64_t>(0, tokens - scoring), attention});
  return wishes;
}

std::vector<SnapshotWish> document_wishes(const PrefillQuestion& question, bool dense) {
  if (question.documents.empty()) return {};
  const std::vector<SnapshotWish> ways = snapshot_wishes(question);
  const int layers = question.model.info().kv_layers;
  std::vector<SnapshotWish> wishes;
  for (const SnapshotWish& way : ways) {
    if ((way.depth == layers) != dense) continue;
    for (const AloneDocument& document : question.documents) {
      wishes.push_back({document.tokens, way.depth, std::ssize(document.tokens)});
    }
  }
  return wishes;
}

namespace {

/// One way to compute the prompt with what the cache has.
struct Way {
  CachedPrefix cached;      ///< of the prompt as it stands
  bool free_order = false;  ///< documents are moved
  double ms = 0.0;
};

/// Of documents that are not there: each is read up to `depth`.
double reading_ms(const PrefillQuestion& question, int depth, const SnapshotCache& snapshots,
                  const PrefillRates& rates) {
  double ms = 0.0;
  for (const AloneDocument& document : question.documents) {
    std::vector<int64_t> sizes(static_cast<size_t>(question.model.info().layers), 0);
    std::fill_n(sizes.begin(), depth, std::ssize(document.tokens));
    const CachedPrefix cached = cached_prefix(snapshots, document.tokens, depth, 0);
    if (cached.tokens == std::ssize(document.tokens) && cached.depth == depth) continue;
    ms += rates.milliseconds(prefill_operations(question.model, sizes, cached));
  }
  return ms;
}

Way find_way(const PrefillQuestion& question, std::span<const int64_t> sizes, int depth,
             int64_t scoring, const SnapshotCache& snapshots, const PrefillRates& rates) {
  Way way;
  const auto tokens = std::ssize(question.prompt);
  const lazy::AttentionForm attention = question.plan.attention.for_size(tokens);
  if (question.use_cache) {
    way.cached = cached_prefix(snapshots, question.prompt, depth, scoring, attention);
  }
  PrefillOperations operations = prefill_operations(question.model, sizes, way.cached);
  operations.attention *= attention.expected_share(tokens);
  way.ms = rates.milliseconds(operations);
  if (question.documents.empty() || !question.use_cache) return way;
  const FreeLayout layout =
      lay_out(question.documents, std::ssize(question.prompt), question.recomputed_tokens, scoring);
  if (layout.moved.empty() || way.cached.tokens >= layout.end) return way;
  way.free_order = true;
  way.ms = rates.milliseconds(prefill_operations(question.model, sizes, {layout.held, depth})) +
           reading_ms(question, depth, snapshots, rates);
  return way;
}

}  // namespace

PrefillPlan choose_prefill(const PrefillQuestion& question, const SnapshotCache& snapshots,
                           const PrefillRates& rates) {
  const lazy::PruningPlan& plan = question.plan;
  const ModelInfo info = question.model.info();
  const int layers = info.layers;
  const int64_t tokens = std::ssize(question.prompt);
  PrefillPlan choice;
  const std::vector<int64_t> all(static_cast<size_t>(layers), tokens);
  const Way dense = find_way(question, all, info.kv_layers, 1, snapshots, rates);
  choice.dense_cached_tokens = dense.cached.tokens;
  choice.dense_cached_depth = dense.cached.depth;
  choice.dense_ms = dense.ms;
  choice.pruned_ms = choice.dense_ms;
  choice.free_order = dense.free_order;
  choice.measured = rates.measured();
  const lazy::PolicyDescription* const policy = lazy::find_policy(plan.policy_name);
  const bool prunes = tokens >= plan.min_prompt && policy != nullptr &&
                      policy->cuts != lazy::PolicyDescription::Cuts::none;
  if (!prunes) return choice;

  const std::unique_ptr<lazy::Policy> pruning = lazy::create_policy(plan);
  choice.pruned_ms.reset();
  choice.free_order = false;
  if (pruning->edits_prompt()) return choice;
  const Way pruned =
      find_way(question, expected_set_sizes(*pruning, tokens, question.protected_tokens, layers),
               exact_depth(*pruning, info.kv_layers), std::max(1, pruning->score().window),
               snapshots, rates);
  choice.pruned_ms = pruned.ms;
  choice.dense_instead = question.wanted == Prefill::soonest && policy->is_for_speed &&
                         choice.dense_ms <= *choice.pruned_ms;
  choice.free_order = choice.dense_instead ? dense.free_order : pruned.free_order;
  return choice;
}

}  // namespace lazyllm::engine
