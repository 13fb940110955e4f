// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm {

/// The library of a user who names none: $XDG_CACHE_HOME/lazyllm/library or
/// ~/.cache/lazyllm/library; empty where there is no home.
std::filesystem::path default_library_folder();

struct LibraryOptions {
  std::filesystem::path folder;
  uint64_t most_bytes = uint64_t{8} << 30;  ///< of all files; the least recently used go first
  std::function<void(const std::string&)> on_message = {};  ///< what a user may want to know
  /// Where libraries on several machines share what they hold: redis://HOST:PORT, or nothing. One
  /// that is slow, full or gone costs a bounded wait; the library goes on without it.
  std::string store = {};
};

/// What the library holds under one id.
struct LibraryEntry {
  enum class Kind { document, snapshot } kind = Kind::document;
  std::string id;               ///< of a document: "doc-" and the beginning of its text's SHA-256
  std::string name;             ///< the document's file; the snapshot's model
  std::string origin;           ///< what a snapshot's bits depend on beside its tokens
  std::vector<int32_t> tokens;  ///< of a snapshot
  int depth = 0;                ///< layers that a snapshot holds
  uint64_t bytes = 0;
  int64_t created = 0, used = 0;  ///< milliseconds since 1970
};

/// Texts of documents and snapshots of what models computed for them, in a folder that several
/// processes share and that outlives them. What put_document() or put_file() returned for is
/// there after a crash; a file is whole or not there; a damaged one is moved to FOLDER/damaged,
/// told once, and counts as absent. All functions are thread-safe.
/// Errors of all: Error(io) where the folder cannot be read or written, such as a full disk.
class Library {
 public:
  /// Makes the folder if needed. Errors: Error(io), also for a folder that cannot be written;
  /// Error(unsupported) for one of a newer version, or on a file system of another machine.
  explicit Library(const LibraryOptions& options);
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// Returns the document's id; the same text has the same one.
  std::string put_document(const std::string& name, std::string_view text);
  static std::string document_id(std::string_view text);
  /// Its text, and its entry. Counts as a use.
  std::optional<std::string> document(const std::string& id);
  /// A document's entry may be one of the shared store.
  std::optional<LibraryEntry> entry(LibraryEntry::Kind kind, const std::string& id);

  /// `write` gets the path of a file to make, which is then moved into its place. `bytes` and times
  /// of the entry are filled in.
  void put_file(LibraryEntry entry, const std::function<void(const std::filesystem::path&)>& write);
  std::filesystem::path path_of(const LibraryEntry& entry) const;
  /// Moves a file that turned out to be damaged out of the way and says so.
  void put_aside(const LibraryEntry& entry, const std::string& why);

  /// Makes what only the shared store has a file of this library. Whether it is one now.
  bool bring(const LibraryEntry& entry);

  /// Most recently used first, then those of the shared store. Of one origin, or (empty) all of
  /// this library.
  std::vector<LibraryEntry> entries(LibraryEntry::Kind kind, const std::string& origin = {});
  /// Grows with each change by this or another process.
  int64_t changes();
  void note_use(LibraryEntry::Kind kind, const std::string& id);
  /// Whether it was there.
  bool remove(LibraryEntry::Kind kind, const std::string& id);

  struct Check {
    int64_t entries = 0, damaged = 0, missing = 0;
    uint64_t bytes = 0;
  };
  /// Reads every file against its checksum and puts damaged ones aside.
  Check verify();

  /// What LibraryOptions::on_message is told.
  void tell(const std::string& message) const;

  const std::filesystem::path& folder() const;
  uint64_t most_bytes() const;
  uint64_t bytes();  ///< of all files

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
