// SPDX-License-Identifier: Apache-2.0
#include "engine/session_snapshots.h"

#include <algorithm>

#include "engine/snapshot_start.h"

namespace lazyllm::engine {
namespace {

// A session has one prompt in work; what it holds of it is bounded by its context.
constexpr uint64_t kMostBytes = uint64_t{1} << 40;

}  // namespace

SessionSnapshots::SessionSnapshots(std::shared_ptr<const Model> model, lazy::CacheTypes cache_types,
                                   std::shared_ptr<Library> library)
    : model_(std::move(model)), cache_(kMostBytes) {
  if (library != nullptr) {
    library_.emplace(std::move(library), *model_, cache_types);
  }
}

SessionSnapshots::~SessionSnapshots() {
  if (library_) library_->save(cache_);
}

PrefillPlan SessionSnapshots::choose(const PrefillQuestion& question) {
  if (library_) library_->bring(question, cache_);
  return choose_prefill(question, cache_, PrefillRates());
}

void SessionSnapshots::begin(Generation& generation) {
  if (generation.was_edited()) return;
  generation_ = &generation;
  snapshot_ = begin_from_snapshot(generation, cache_, nullptr);
}

std::optional<int> SessionSnapshots::depth() const {
  if (snapshot_ == nullptr) return std::nullopt;
  return snapshot_->depth();
}

void SessionSnapshots::on_computed(int depth) {
  if (snapshot_ != nullptr && depth == snapshot_->depth()) {
    snapshot_->record(generation_->sequence());
  }
}

int SessionSnapshots::rows_wanted_from() const {
  return depth().value_or(model_->implementation().require_transformer().hyperparameters().layers);
}

void SessionSnapshots::end() {
  if (snapshot_ != nullptr && snapshot_->size() > 0) {
    snapshot_->take(lazy::Sequence(generation_->sequence()));  // they share their memory
    cache_.store(std::move(snapshot_));
  }
  abandon();
}

void SessionSnapshots::abandon() {
  snapshot_ = nullptr;
  generation_ = nullptr;
}

}  // namespace lazyllm::engine
