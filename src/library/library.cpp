// SPDX-License-Identifier: Apache-2.0
// FOLDER/index.sqlite     one row for each file
// FOLDER/documents/ID     texts
// FOLDER/snapshots/ID     as engine/snapshot_file writes them
// FOLDER/tmp              files being written
// FOLDER/damaged          files that were put aside
//
// A file is written in tmp, brought to the disk, moved into its place and entered, the last two
// within one transaction: who holds it is the only one that changes names, so a file without a row
// was left by a process that ended in between, and a row without a file by one that removed it.
#include "lazyllm/library.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/sha256.h"
#include "library/database.h"
#include "library/files.h"
#include "library/mirror.h"
#include "library/network_file_system.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;
using Kind = LibraryEntry::Kind;

constexpr int64_t kVersion = 1;
constexpr char kIndex[] = "index.sqlite";

const char* name_of(Kind kind) {
  return kind == Kind::document ? "documents" : "snapshots";
}

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

constexpr char kColumns[] = "kind, id, name, origin, tokens, depth, bytes, created, used";

LibraryEntry entry_of(const library::Statement& row) {
  LibraryEntry entry;
  entry.kind = static_cast<Kind>(row.number(0));
  entry.id = row.text(1);
  entry.name = row.text(2);
  entry.origin = row.text(3);
  const std::span<const std::byte> tokens = row.bytes(4);
  entry.tokens.resize(tokens.size() / sizeof(int32_t));
  if (!tokens.empty()) {
    std::memcpy(entry.tokens.data(), tokens.data(), entry.tokens.size() * sizeof(int32_t));
  }
  entry.depth = static_cast<int>(row.number(5));
  entry.bytes = static_cast<uint64_t>(row.number(6));
  entry.created = row.number(7);
  entry.used = row.number(8);
  return entry;
}

}  // namespace

fs::path default_library_folder() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return fs::path(cache) / "lazyllm" / "library";
  const char* const home = std::getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return fs::path(home) / ".cache" / "lazyllm" / "library";
}

struct Library::Implementation {
  explicit Implementation(const LibraryOptions& wanted);

  void open_index();
  void make_tables();
  void take_in_stray_files();
  fs::path path_of(Kind kind, const std::string& id) const {
    return options.folder / name_of(kind) / id;
  }
  void tell(const std::string& text) const {
    if (options.on_message) options.on_message(text);
  }
  uint64_t bytes();
  void make_room(uint64_t needed, Kind kind, const std::string& id);
  void insert(const LibraryEntry& entry, uint64_t checksum);
  void remove_row(Kind kind, const std::string& id);
  void put_aside(Kind kind, const std::string& id, const std::string& why);
  std::optional<LibraryEntry> find(Kind kind, const std::string& id);
  /// As Library::put_file, for this library alone. Returns what others may be told of it.
  library::SharedItem store_file(LibraryEntry entry,
                                 const std::function<void(const fs::path&)>& write);
  bool bring(const library::SharedItem& item);

  LibraryOptions options;
  std::optional<library::Mirror> mirror;
  std::mutex mutex;
  std::optional<library::Database> database;
  int64_t own_changes = 0;
  uint64_t parts = 0;
};

Library::Implementation::Implementation(const LibraryOptions& wanted) : options(wanted) {
  if (!options.store.empty()) {
    mirror.emplace(library::open_shared_store(options.store),
                   [this](const std::string& text) { tell(text); });
  }
  if (const char* const kind = library::network_file_system(options.folder)) {
    fail(ErrorCode::unsupported,
         "{}: it lies on another machine ({}), where several machines could spoil its index; name "
         "a folder on a disk of this machine: --library DIR. Machines share what they have read "
         "through --library-store",
         options.folder.string(), kind);
  }
  std::error_code error;
  const bool made = fs::create_directories(options.folder, error);
  if (made) fs::permissions(options.folder, fs::perms::owner_all, error);  // texts are private
  for (const char* name : {"documents", "snapshots", "tmp"}) {
    fs::create_directories(options.folder / name, error);
  }
  const fs::path probe = options.folder / "tmp" / fmt::format("{}.probe", getpid());
  try {
    library::write_file(probe, "x");
  } catch (const Error&) {
    fail(ErrorCode::io, "{}: cannot write there; name another folder: --library DIR",
         options.folder.string());
  }
  fs::remove(probe, error);
  library::remove_old_files(options.folder / "tmp");
  open_index();
  take_in_stray_files();
}

void Library::Implementation::open_index() {
  const fs::path index = options.folder / kIndex;
  try {
    database.emplace(index);
    make_tables();
  } catch (const Error& failure) {
    if (failure.code() != ErrorCode::invalid_file) throw;
    database.reset();
    tell(fmt::format("{}; it was put aside, and a new one is made of the texts that are there",
                     failure.what()));
    library::move_to_damaged(options.folder, index);
    std::error_code error;
    for (const char* ending : {"-wal", "-shm"}) fs::remove(index.string() + ending, error);
    database.emplace(index);
    make_tables();
  }
}

void Library::Implementation::make_tables() {
  library::Transaction transaction(*database);
  library::Statement asked = database->prepare("PRAGMA user_version");
  asked.next();
  const int64_t found = asked.number(0);
  asked.run();
  if (found > kVersion) {
    fail(ErrorCode::unsupported,
         "{}: it was made by a newer lazyllm (version {} of the folder); name another folder: "
         "--library DIR",
         options.folder.string(), found);
  }
  if (found == 0) {
    database->run(
        "CREATE TABLE entries (kind INTEGER, id TEXT, name TEXT, origin TEXT, tokens BLOB, depth "
        "INTEGER, bytes INTEGER, created INTEGER, used INTEGER, checksum INTEGER, "
        "PRIMARY KEY (kind, id)) WITHOUT ROWID");
    database->run(fmt::format("PRAGMA user_version = {}", kVersion));
  }
  transaction.commit();
}

/// Texts get their row again, snapshots are made again when they are wanted.
void Library::Implementation::take_in_stray_files() {
  library::Transaction transaction(*database);
  for (const Kind kind : {Kind::document, Kind::snapshot}) {
    std::set<std::string> known;
    library::Statement rows = database->prepare("SELECT id FROM entries WHERE kind = ?");
    rows.bind(static_cast<int64_t>(kind));
    while (rows.next()) known.insert(rows.text(0));
    std::error_code error;
    for (const auto& file : fs::directory_iterator(options.folder / name_of(kind), error)) {
      const std::string id = file.path().filename().string();
      if (known.contains(id) || !file.is_regular_file(error)) continue;
      if (kind == Kind::snapshot) {
        fs::remove(file.path(), error);
      } else if (document_id(library::read_file(file.path())) == id) {
        LibraryEntry entry;
        entry.id = entry.name = id;
        entry.bytes = file.file_size();
        entry.created = entry.used = now_ms();
        insert(entry, library::checksum_of(file.path()));
      } else {
        tell(fmt::format("{}: not a text of this library; it was put aside", file.path().string()));
        library::move_to_damaged(options.folder, file.path());
      }
    }
  }
  transaction.commit();
}

uint64_t Library::Implementation::bytes() {
  library::Statement sum = database->prepare("SELECT COALESCE(SUM(bytes), 0) FROM entries");
  sum.next();
  return static_cast<uint64_t>(sum.number(0));
}

/// Least recently used first; texts, which nobody can compute again, after all snapshots.
void Library::Implementation::make_room(uint64_t needed, Kind kind, const std::string& id) {
  uint64_t held = bytes();
  while (held + needed > options.most_bytes) {
    library::Statement oldest = database->prepare(
        "SELECT kind, id, bytes FROM entries WHERE NOT (kind = ? AND id = ?) "
        "ORDER BY kind = 0, used LIMIT 1");
    oldest.bind(static_cast<int64_t>(kind)).bind(id);
    if (!oldest.next()) return;
    const auto old_kind = static_cast<Kind>(oldest.number(0));
    const std::string old_id = oldest.text(1);
    held -= std::min(held, static_cast<uint64_t>(oldest.number(2)));
    oldest.run();
    remove_row(old_kind, old_id);
    std::error_code error;
    fs::remove(path_of(old_kind, old_id), error);
  }
}

void Library::Implementation::insert(const LibraryEntry& entry, uint64_t checksum) {
  library::Statement row = database->prepare(fmt::format(
      "INSERT OR REPLACE INTO entries ({}, checksum) VALUES (?,?,?,?,?,?,?,?,?,?)", kColumns));
  row.bind(static_cast<int64_t>(entry.kind)).bind(entry.id).bind(entry.name).bind(entry.origin);
  row.bind_bytes(std::as_bytes(std::span(entry.tokens))).bind(int64_t{entry.depth});
  row.bind(static_cast<int64_t>(entry.bytes)).bind(entry.created).bind(entry.used);
  row.bind(static_cast<int64_t>(checksum));
  row.run();
  ++own_changes;
}

void Library::Implementation::remove_row(Kind kind, const std::string& id) {
  library::Statement row = database->prepare("DELETE FROM entries WHERE kind = ? AND id = ?");
  row.bind(static_cast<int64_t>(kind)).bind(id);
  row.run();
  ++own_changes;
}

void Library::Implementation::put_aside(Kind kind, const std::string& id, const std::string& why) {
  library::Transaction transaction(*database);
  const fs::path path = path_of(kind, id);
  tell(fmt::format("{}: {}; it was put aside", path.string(), why));
  remove_row(kind, id);
  std::error_code error;
  if (fs::exists(path, error)) library::move_to_damaged(options.folder, path);
  transaction.commit();
}

std::optional<LibraryEntry> Library::Implementation::find(Kind kind, const std::string& id) {
  library::Statement row =
      database->prepare(fmt::format("SELECT {} FROM entries WHERE kind = ? AND id = ?", kColumns));
  row.bind(static_cast<int64_t>(kind)).bind(id);
  if (!row.next()) return std::nullopt;
  return entry_of(row);
}

Library::Library(const LibraryOptions& options)
    : implementation_(std::make_unique<Implementation>(options)) {}
Library::~Library() = default;

std::string Library::document_id(std::string_view text) {
  Sha256 sum;
  sum.add(std::as_bytes(std::span(text)));
  return "doc-" + sum.finish().substr(0, 32);
}

std::string Library::put_document(const std::string& name, std::string_view text) {
  LibraryEntry entry;
  entry.id = document_id(text);
  entry.name = name;
  put_file(entry, [&](const fs::path& path) { library::write_file(path, text); });
  return entry.id;
}

std::optional<std::string> Library::document(const std::string& id) {
  const std::optional<LibraryEntry> found = entry(Kind::document, id);
  if (!found || !bring(*found)) return std::nullopt;
  const fs::path path = path_of(*found);
  std::string text;
  try {
    text = library::read_file(path);
  } catch (const Error& failure) {
    put_aside(*found, failure.what());
    return std::nullopt;
  }
  if (document_id(text) != id) {
    put_aside(*found, "it is damaged");
    return std::nullopt;
  }
  note_use(Kind::document, id);
  return text;
}

std::optional<LibraryEntry> Library::entry(Kind kind, const std::string& id) {
  Implementation& self = *implementation_;
  {
    const std::lock_guard lock(self.mutex);
    if (auto found = self.find(kind, id)) return found;
  }
  // A snapshot of another machine is found by its origin: entries().
  if (!self.mirror || kind != Kind::document) return std::nullopt;
  const auto item = self.mirror->find(kind, {}, id);
  return item ? std::optional(item->entry) : std::nullopt;
}

library::SharedItem Library::Implementation::store_file(
    LibraryEntry entry, const std::function<void(const fs::path&)>& write) {
  fs::path part;
  {
    const std::lock_guard lock(mutex);
    part = options.folder / "tmp" / fmt::format("{}-{}.part", getpid(), parts++);
  }
  const fs::path path = path_of(entry.kind, entry.id);
  std::error_code ignored;
  try {
    write(part);
    library::sync_file(part);
    entry.bytes = fs::file_size(part);
    if (entry.bytes > options.most_bytes) {
      fail(ErrorCode::io, "{}: {} MiB do not fit into the library of {} MiB (--library-size)",
           path.string(), entry.bytes >> 20, options.most_bytes >> 20);
    }
    const uint64_t checksum = library::checksum_of(part);
    const std::lock_guard lock(mutex);
    library::Transaction transaction(*database);
    const std::optional<LibraryEntry> before = find(entry.kind, entry.id);
    if (before) remove_row(entry.kind, entry.id);
    make_room(entry.bytes, entry.kind, entry.id);
    fs::rename(part, path);
    library::sync_folder(path.parent_path());
    entry.used = now_ms();
    entry.created = before ? before->created : entry.used;
    insert(entry, checksum);
    transaction.commit();
    return {std::move(entry), checksum};
  } catch (const fs::filesystem_error& failure) {
    fs::remove(part, ignored);
    fail(ErrorCode::io, "{}: {}", path.string(), failure.code().message());
  } catch (...) {
    fs::remove(part, ignored);
    throw;
  }
}

bool Library::Implementation::bring(const library::SharedItem& item) {
  bool whole = false;
  store_file(item.entry, [&](const fs::path& path) {
    whole = mirror->fetch(item, path) && library::checksum_of(path) == item.checksum;
    if (!whole) fail(ErrorCode::io, "{}: the shared store has no whole one", item.entry.id);
  });
  return whole;
}

void Library::put_file(LibraryEntry entry, const std::function<void(const fs::path&)>& write) {
  Implementation& self = *implementation_;
  const library::SharedItem item = self.store_file(std::move(entry), write);
  if (self.mirror) self.mirror->put(item, path_of(item.entry));
}

bool Library::bring(const LibraryEntry& entry) {
  Implementation& self = *implementation_;
  {
    const std::lock_guard lock(self.mutex);
    if (self.find(entry.kind, entry.id)) return true;
  }
  if (!self.mirror) return false;
  try {
    const auto item = self.mirror->find(entry.kind, entry.origin, entry.id);
    return item && self.bring(*item);
  } catch (const Error&) {
    return false;  // gone meanwhile, or no room for it here
  }
}

fs::path Library::path_of(const LibraryEntry& entry) const {
  return implementation_->path_of(entry.kind, entry.id);
}

void Library::put_aside(const LibraryEntry& entry, const std::string& why) {
  const std::lock_guard lock(implementation_->mutex);
  // Another process may have removed it, or put a whole one in its place meanwhile.
  if (!implementation_->find(entry.kind, entry.id)) return;
  implementation_->put_aside(entry.kind, entry.id, why);
}

std::vector<LibraryEntry> Library::entries(Kind kind, const std::string& origin) {
  Implementation& self = *implementation_;
  std::vector<LibraryEntry> entries;
  std::set<std::string> held;
  {
    const std::lock_guard lock(self.mutex);
    library::Statement rows = self.database->prepare(
        fmt::format("SELECT {} FROM entries WHERE kind = ? AND (? = '' OR origin = ?) "
                    "ORDER BY used DESC, id",
                    kColumns));
    rows.bind(static_cast<int64_t>(kind)).bind(origin).bind(origin);
    while (rows.next()) held.insert(entries.emplace_back(entry_of(rows)).id);
  }
  // Snapshots of others help those alone whose bits are the same.
  if (self.mirror && (kind == Kind::document || !origin.empty())) {
    for (LibraryEntry& entry : self.mirror->entries(kind, origin)) {
      if (!held.contains(entry.id)) entries.push_back(std::move(entry));
    }
  }
  return entries;
}

int64_t Library::changes() {
  const int64_t of_others = implementation_->mirror ? implementation_->mirror->changes() : 0;
  const std::lock_guard lock(implementation_->mutex);
  library::Statement others = implementation_->database->prepare("PRAGMA data_version");
  others.next();
  return others.number(0) + implementation_->own_changes + of_others;
}

void Library::note_use(Kind kind, const std::string& id) {
  const std::lock_guard lock(implementation_->mutex);
  library::Statement row =
      implementation_->database->prepare("UPDATE entries SET used = ? WHERE kind = ? AND id = ?");
  row.bind(now_ms()).bind(static_cast<int64_t>(kind)).bind(id);
  row.run();
}

bool Library::remove(Kind kind, const std::string& id) {
  Implementation& self = *implementation_;
  const std::optional<LibraryEntry> found = entry(kind, id);
  if (!found) return false;
  {
    const std::lock_guard lock(self.mutex);
    library::Transaction transaction(*self.database);
    self.remove_row(kind, id);
    std::error_code error;
    fs::remove(self.path_of(kind, id), error);
    transaction.commit();
  }
  if (self.mirror) self.mirror->remove(*found);
  return true;
}

Library::Check Library::verify() {
  Implementation& self = *implementation_;
  Check check;
  for (const Kind kind : {Kind::document, Kind::snapshot}) {
    for (const LibraryEntry& entry : entries(kind)) {  // those of others have no row here
      const std::lock_guard lock(self.mutex);
      library::Statement row =
          self.database->prepare("SELECT checksum FROM entries WHERE kind = ? AND id = ?");
      row.bind(static_cast<int64_t>(kind)).bind(entry.id);
      if (!row.next()) continue;  // removed meanwhile
      const auto expected = static_cast<uint64_t>(row.number(0));
      row.run();
      ++check.entries;
      check.bytes += entry.bytes;
      std::error_code error;
      const fs::path path = path_of(entry);
      if (!fs::exists(path, error)) {
        ++check.missing;
        self.put_aside(kind, entry.id, "it is missing");
      } else if (library::checksum_of(path) != expected) {
        ++check.damaged;
        self.put_aside(kind, entry.id, "it is damaged");
      }
    }
  }
  return check;
}

void Library::tell(const std::string& message) const {
  implementation_->tell(message);
}

const fs::path& Library::folder() const {
  return implementation_->options.folder;
}

uint64_t Library::most_bytes() const {
  return implementation_->options.most_bytes;
}

uint64_t Library::bytes() {
  const std::lock_guard lock(implementation_->mutex);
  return implementation_->bytes();
}

}  // namespace lazyllm
