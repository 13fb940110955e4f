// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "engine/generation.h"
#include "engine/snapshot_cache.h"
#include "lazy/snapshot.h"

namespace lazyllm::engine {

/// After begin_prompt(): an empty one, for the prompt's step to record.
std::unique_ptr<lazy::Snapshot> new_snapshot(const Generation& generation);

/// After begin_prompt() of an empty generation whose prompt was not edited: puts what a snapshot
/// has of it into its sequence, and returns the snapshot that its step is to record.
/// `cached_depth`: takes that of the one used, if any; may be null.
std::unique_ptr<lazy::Snapshot> begin_from_snapshot(Generation& generation,
                                                    SnapshotCache& snapshots, int* cached_depth);

}  // namespace lazyllm::engine
