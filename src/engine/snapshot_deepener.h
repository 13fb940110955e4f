// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/snapshot_cache.h"
#include "lazy/policy.h"
#include "lazy/sequence.h"
#include "lazy/step.h"

namespace lazyllm::engine {

/// Carries snapshots on to all layers while nobody waits: a snapshot is itself a lazy computation,
/// exact up to its depth, so what is left is a dense prefill of the deeper layers. Tile by tile;
/// between two tiles it can lie, or be dropped at no loss but its own work. Used by the thread that
/// owns the cache.
class SnapshotDeepener {
 public:
  SnapshotDeepener(const model::Transformer& transformer, lazy::CacheTypes cache_types);

  bool busy() const { return source_ != nullptr; }
  /// Begins with the snapshot used last that no whole one covers. It must fit into the cache
  /// beside all others but its shallow self, and need at most `most_bytes` meanwhile. False: there
  /// is none.
  bool begin(SnapshotCache& snapshots, uint64_t most_bytes, lazy::Stepper& stepper);
  enum class Progress { under_way, done, failed };
  /// Computes one tile; at the end the cache gets the whole snapshot. What failed is not begun
  /// again.
  Progress advance(SnapshotCache& snapshots, lazy::Stepper& stepper);
  /// Forgets what is in work.
  void drop();

  uint64_t bytes() const { return bytes_; }  ///< set aside for what is in work
  double share() const { return busy() ? run_.share() : 0.0; }
  int64_t tokens() const { return busy() ? sequence_->size() : 0; }

 private:
  std::shared_ptr<const lazy::Snapshot> next(const SnapshotCache& snapshots,
                                             uint64_t most_bytes) const;
  bool has_failed(const lazy::Snapshot& snapshot) const;
  /// K,V and hidden rows of so many tokens in all layers.
  uint64_t bytes_of(int64_t tokens) const;

  const model::Transformer& transformer_;
  lazy::CacheTypes cache_types_;
  std::unique_ptr<lazy::Policy> policy_ = lazy::make_dense_policy();
  std::shared_ptr<const lazy::Snapshot> source_;  // in work; null: nothing is
  std::optional<lazy::Sequence> sequence_;
  lazy::StepPart part_;
  lazy::StepRun run_;
  uint64_t bytes_ = 0;
  std::vector<std::weak_ptr<const lazy::Snapshot>> failed_;
};

}  // namespace lazyllm::engine
