// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "engine/generation.h"
#include "engine/prefill_choice.h"
#include "engine/snapshot_cache.h"
#include "engine/snapshot_library.h"
#include "lazy/snapshot.h"

namespace lazyllm::engine {

/// What a session keeps of the prompts that it began with, beside the conversation: for the next
/// one that begins alike, and, with a library, for other processes. Watches the prompt's step.
class SessionSnapshots : public lazy::StepObserver {
 public:
  /// `library`: null: none.
  SessionSnapshots(std::shared_ptr<const Model> model, lazy::CacheTypes cache_types,
                   std::shared_ptr<Library> library);
  /// Writes what the library does not have yet.
  ~SessionSnapshots() override;

  /// Brings in what helps and chooses the way.
  PrefillPlan choose(const PrefillQuestion& question);
  /// After begin_prompt() in an empty session: takes what there is, and begins to record.
  void begin(Generation& generation);
  /// The depth that is recorded; nothing if nothing is.
  std::optional<int> depth() const;
  void on_computed(int depth) override;
  int rows_wanted_from() const override;
  /// After end_prompt(): keeps what was recorded.
  void end();
  /// The prompt was not computed.
  void abandon();

 private:
  std::shared_ptr<const Model> model_;
  SnapshotCache cache_;
  std::optional<SnapshotLibrary> library_;
  Generation* generation_ = nullptr;          // in work
  std::unique_ptr<lazy::Snapshot> snapshot_;  // being recorded
};

}  // namespace lazyllm::engine
