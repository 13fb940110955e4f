// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_deepener.h"

#include <algorithm>

#include "engine/sequence_bytes.h"

namespace lazyllm::engine {
namespace {

bool is_prefix_of(std::span<const int32_t> prefix, std::span<const int32_t> tokens) {
  return prefix.size() <= tokens.size() && std::equal(prefix.begin(), prefix.end(), tokens.begin());
}

}  // namespace

SnapshotDeepener::SnapshotDeepener(const model::Transformer& transformer,
                                   lazy::CacheTypes cache_types)
    : transformer_(transformer), cache_types_(cache_types), part_(transformer) {}

uint64_t SnapshotDeepener::bytes_of(int64_t tokens) const {
  return sequence_bytes(transformer_.hyperparameters(), cache_types_, tokens, 1);
}

bool SnapshotDeepener::has_failed(const lazy::Snapshot& snapshot) const {
  return std::any_of(failed_.begin(), failed_.end(),
                     [&](const auto& failed) { return failed.lock().get() == &snapshot; });
}

std::shared_ptr<const lazy::Snapshot> SnapshotDeepener::next(const SnapshotCache& snapshots,
                                                             uint64_t most_bytes) const {
  for (const auto& snapshot : snapshots.snapshots()) {
    // A sparse one ends at the last whole chunk of a prompt; how its deeper layers attend there
    // depends on where that ended.
    if (snapshot->attention().sparse) continue;
    if (!snapshot->has_hidden() || has_failed(*snapshot)) continue;
    const bool covered = std::any_of(snapshots.snapshots().begin(), snapshots.snapshots().end(),
                                     [&](const auto& other) {
                                       return !other->has_hidden() && !other->attention().sparse &&
                                              is_prefix_of(snapshot->tokens(), other->tokens());
                                     });
    const uint64_t needed = bytes_of(snapshot->size());
    const uint64_t others = snapshots.bytes() - snapshot->bytes();
    if (!covered && needed <= most_bytes && others + needed <= snapshots.most_bytes()) {
      return snapshot;
    }
  }
  return nullptr;
}

bool SnapshotDeepener::begin(SnapshotCache& snapshots, uint64_t most_bytes,
                             lazy::Stepper& stepper) {
  source_ = next(snapshots, most_bytes);
  if (!busy()) return false;
  try {
    bytes_ = bytes_of(source_->size());
    sequence_.emplace(transformer_, cache_types_);
    // The last token is computed again: a step needs one, and its row costs nothing.
    source_->restore(source_->size() - 1, *sequence_);
    lazy::StepRequest step;
    step.new_tokens = source_->tokens().last(1);
    step.kind = lazy::StepKind::prompt;
    step.first_query = 0;
    part_.begin(*sequence_, *policy_, step);
    lazy::StepPart* const parts[] = {&part_};
    stepper.begin(run_, parts);
    return true;
  } catch (...) {  // memory; nobody waits for it
    failed_.emplace_back(source_);
    drop();
    return false;
  }
}

SnapshotDeepener::Progress SnapshotDeepener::advance(SnapshotCache& snapshots,
                                                     lazy::Stepper& stepper) {
  try {
    const bool more = stepper.advance(run_);
    if (part_.failed()) std::rethrow_exception(part_.failure());
    if (more) return Progress::under_way;
    auto whole =
        std::make_unique<lazy::Snapshot>(transformer_, transformer_.hyperparameters().kv_layers());
    whole->record(*sequence_);
    whole->take(std::move(*sequence_));
    if (snapshots.bytes() + whole->bytes() > snapshots.most_bytes()) snapshots.drop(*source_);
    snapshots.store(std::move(whole));
  } catch (...) {
    failed_.emplace_back(source_);
    drop();
    return Progress::failed;
  }
  drop();
  return Progress::done;
}

void SnapshotDeepener::drop() {
  std::erase_if(failed_, [](const auto& failed) { return failed.expired(); });
  source_ = nullptr;
  sequence_.reset();
  bytes_ = 0;
}

}  // namespace lazyllm::engine
