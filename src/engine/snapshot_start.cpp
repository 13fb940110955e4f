// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_start.h"

#include <algorithm>
#include <limits>

namespace lazyllm::engine {

std::unique_ptr<lazy::Snapshot> new_snapshot(const Generation& generation) {
  const lazy::AttentionForm& attention = generation.attention();
  const int64_t most = attention.sparse ? attention.chunked(generation.prompt_end())
                                        : std::numeric_limits<int64_t>::max();
  return std::make_unique<lazy::Snapshot>(generation.transformer(), generation.exact_depth(),
                                          attention, most);
}

std::unique_ptr<lazy::Snapshot> begin_from_snapshot(Generation& generation,
                                                    SnapshotCache& snapshots, int* cached_depth) {
  const int depth = generation.exact_depth();
  const std::span<const TokenId> prompt = generation.edited_prompt();
  const int64_t most = std::max<int64_t>(0, std::ssize(prompt) - generation.scoring_tokens());
  const lazy::AttentionForm& attention = generation.attention();
  const SnapshotCache::Match match = snapshots.find({prompt, depth, most, attention});
  auto recorded = new_snapshot(generation);
  if (match.snapshot == nullptr) return recorded;
  snapshots.note_use(*match.snapshot);
  if (cached_depth != nullptr) *cached_depth = match.snapshot->depth();
  match.snapshot->restore(match.tokens, generation.sequence());
  generation.restored();
  // A shallower one's rows stand at its own depth; those at ours are recorded when the step
  // reaches it.
  if (match.snapshot->depth() == depth) recorded->inherit(*match.snapshot, match.tokens);
  return recorded;
}

}  // namespace lazyllm::engine
