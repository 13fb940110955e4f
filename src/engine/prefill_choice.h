// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/prefill_cost.h"
#include "engine/snapshot_cache.h"
#include "lazyllm/scheduler.h"

namespace lazyllm::engine {

/// A prompt and how it is asked to be pruned.
struct PrefillQuestion {
  const Model& model;
  const lazy::PruningPlan& plan;
  std::span<const TokenId> prompt;
  int64_t protected_tokens = 0;  ///< that no policy may drop
  bool use_cache = true;
  Prefill wanted = Prefill::as_asked;
};

/// What could help the prompt: the dense way, where that may be chosen, first.
std::vector<SnapshotWish> snapshot_wishes(const PrefillQuestion& question);

/// What a snapshot gives to a prompt when a policy leaves it whole up to `depth`. At least
/// `scoring_tokens` of the prompt are computed in any case.
CachedPrefix cached_prefix(const SnapshotCache& snapshots, std::span<const TokenId> prompt,
                           int depth, int64_t scoring_tokens);

/// Which way gives the first token soonest: pruned from the snapshot that helps it most, or dense
/// from the one that helps that most. Dense is taken where it is as soon, since it loses nothing.
/// So a pruned prompt is never predicted to be later than a dense one with the same cache.
PrefillPlan choose_prefill(const PrefillQuestion& question, const SnapshotCache& snapshots,
                           const PrefillRates& rates);

}  // namespace lazyllm::engine
