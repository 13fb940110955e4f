// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/free_order.h"
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
  std::span<const AloneDocument> documents = {};  ///< in free order, if any
  int64_t recomputed_tokens = 0;                  ///< first ones of each moved document
};

/// What could help the prompt: the dense way, where that may be chosen, first.
std::vector<SnapshotWish> snapshot_wishes(const PrefillQuestion& question);

/// Each document in free order, at the depth that the dense (`dense`) or the asked way wants it;
/// none where that way may not be chosen.
std::vector<SnapshotWish> document_wishes(const PrefillQuestion& question, bool dense);

/// What a snapshot gives to a prompt when a policy leaves it whole up to `depth`. At least
/// `scoring_tokens` of the prompt are computed in any case.
CachedPrefix cached_prefix(const SnapshotCache& snapshots, std::span<const TokenId> prompt,
                           int depth, int64_t scoring_tokens,
                           const lazy::AttentionForm& attention = {});

/// Which way gives the first token soonest: pruned from the snapshot that helps it most, or dense
/// from the one that helps that most. Dense is taken where it is as soon, since it loses nothing.
/// So a pruned prompt is never predicted to be later than a dense one with the same cache.
/// With documents in free order these count as far as they are there alone, unless the cache has
/// them all in this order: then it is used, and nothing is moved.
PrefillPlan choose_prefill(const PrefillQuestion& question, const SnapshotCache& snapshots,
                           const PrefillRates& rates);

}  // namespace lazyllm::engine
