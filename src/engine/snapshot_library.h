// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/prefill_choice.h"
#include "engine/snapshot_cache.h"
#include "engine/snapshot_file.h"
#include "lazyllm/library.h"

namespace lazyllm::engine {

/// A model's snapshots in a Library, beside the cache in memory: brings in what helps a prompt, and
/// keeps what the cache has. Nothing that goes wrong with the library stops an answer: it is told,
/// and the cache in memory goes on. Used by one thread.
class SnapshotLibrary {
 public:
  SnapshotLibrary(std::shared_ptr<Library> library, const Model& model,
                  lazy::CacheTypes cache_types);

  /// Reads what helps a prompt most into the cache, where that is more than what the cache has.
  void bring(const PrefillQuestion& question, SnapshotCache& cache);
  /// Removes those that hold_text() of these tokens.
  void forget(std::span<const int32_t> text);
  /// Removes what begins a conversation or goes on with it.
  void erase(std::span<const int32_t> conversation);
  /// Writes one that is not there yet. False: there is none to be written now.
  bool save_one(const SnapshotCache& cache);
  /// Writes all of them.
  void save(const SnapshotCache& cache);

 private:
  std::string id_of(const lazy::Snapshot& snapshot) const;
  void refresh();
  /// Entries of this attention count, too; forms that no prompt had are not read.
  void look_for(const lazy::AttentionForm& form);
  /// All that the library has, to be removed.
  void look_for_all();
  /// Whether the cache has now nearly all of what is wished.
  bool bring(const SnapshotWish& wish, SnapshotCache& cache);
  void note_use(const std::string& id);
  void read(const LibraryEntry& entry, SnapshotCache& cache);
  void write(const lazy::Snapshot& snapshot, const std::string& id);
  void remove_covered_by(const LibraryEntry& entry);
  /// Runs what touches the disk; false: it failed and was told.
  bool try_to(const std::function<void()>& work);
  bool wants(const lazy::Snapshot& snapshot, const std::string& id) const;

  std::shared_ptr<Library> library_;
  const model::Transformer& transformer_;
  SnapshotOrigin origin_;
  std::string origin_text_, model_name_;

  struct Entry {
    LibraryEntry entry;
    lazy::AttentionForm attention;
  };
  std::vector<lazy::AttentionForm> forms_;
  std::vector<Entry> entries_;  // of this origin, as the library had them at `changes_`
  int64_t changes_ = -1;
  std::set<std::string> stored_;  // ids that the library has or that cannot be stored
  std::map<std::string, std::chrono::steady_clock::time_point> noted_;
  std::chrono::steady_clock::time_point quiet_until_{};  // after a failure
};

}  // namespace lazyllm::engine
