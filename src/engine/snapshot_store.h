// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "engine/snapshot_cache.h"
#include "engine/snapshot_file.h"

namespace lazyllm::engine {

/// Keeps a cache's snapshots in a folder over a restart. Files of another model or version are
/// left alone; nothing that goes wrong with a file stops the program: it is told.
class SnapshotStore {
 public:
  using Tell = std::function<void(const std::string& message)>;

  /// Errors: Error(io) if the folder cannot be made or written.
  SnapshotStore(std::filesystem::path folder, SnapshotOrigin origin, Tell tell);

  /// Newest first, until the cache's budget is full.
  void load(const model::Transformer& transformer, SnapshotCache& cache);
  /// Writes what has no file yet and removes the files of snapshots that the cache dropped.
  void save(const SnapshotCache& cache);
  /// Writes one that has no file yet, so that a process that is killed loses little. False: there
  /// is none; then files of dropped ones are removed. What could not be written is not tried again
  /// before save().
  bool save_one(const SnapshotCache& cache);

 private:
  std::filesystem::path path_of(const lazy::Snapshot& snapshot) const;
  void remove_all_but(const std::set<std::filesystem::path>& wanted);
  void write(const lazy::Snapshot& snapshot, const std::filesystem::path& path);

  std::filesystem::path folder_;
  SnapshotOrigin origin_;
  Tell tell_;
  std::set<std::filesystem::path> ours_;  // files of this model that were read or written
  std::set<std::filesystem::path> failed_;
};

}  // namespace lazyllm::engine
