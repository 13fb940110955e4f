// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "lazy/snapshot.h"
#include "lazyllm/model.h"

namespace lazyllm::engine {

/// What a snapshot's bits depend on beside its tokens.
struct SnapshotOrigin {
  uint64_t model = 0;   ///< formats::fingerprint
  std::string version;  ///< of the program, with its build
  std::string isa;
  lazy::CacheTypes cache_types;
};

/// Of this program's snapshots of a model.
SnapshotOrigin snapshot_origin(const Model& model, lazy::CacheTypes cache_types);

/// Writes beside `path` first, then renames: a file is whole or not there.
/// Errors: Error(io).
void write_snapshot(const std::filesystem::path& path, const lazy::Snapshot& snapshot,
                    const SnapshotOrigin& origin);

/// Errors: Error(io), Error(invalid_file) for a damaged file, Error(unsupported) for one of
/// another model, version or machine; the message says which.
std::unique_ptr<lazy::Snapshot> read_snapshot(const std::filesystem::path& path,
                                              const model::Transformer& transformer,
                                              const SnapshotOrigin& origin);

}  // namespace lazyllm::engine
