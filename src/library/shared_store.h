// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/library.h"

namespace lazyllm::library {

/// What a library tells others of one of its files.
struct SharedItem {
  LibraryEntry entry;
  uint64_t checksum = 0;  ///< XXH3 of the file's bytes
};

/// A place that libraries on several machines share. A file is whole there or not there; what is
/// there may vanish at any time. All functions wait a bounded time. One thread at a time.
/// Errors of all: Error(io) where the store does not answer, is full, or says what nobody expects.
class SharedStore {
 public:
  using Kind = LibraryEntry::Kind;
  virtual ~SharedStore() = default;

  /// Grows with each change by anybody.
  virtual int64_t changes() = 0;
  /// Ids of one kind; of snapshots those of one origin.
  virtual std::vector<std::string> ids(Kind kind, const std::string& origin) = 0;
  virtual std::optional<SharedItem> find(Kind kind, const std::string& origin,
                                         const std::string& id) = 0;
  /// Writes the file's bytes to `path`. False: they are not there any more.
  virtual bool fetch(const LibraryEntry& entry, const std::filesystem::path& path) = 0;
  virtual void put(const SharedItem& item, const std::filesystem::path& path) = 0;
  virtual void remove(const LibraryEntry& entry) = 0;
};

/// redis://[:PASSWORD@]HOST[:PORT][/DATABASE], which Valkey answers, too. Errors: Error(usage) for
/// an address that is none; Error(unsupported) in a build without hiredis. Does not connect yet.
std::unique_ptr<SharedStore> open_shared_store(const std::string& address);

}  // namespace lazyllm::library
