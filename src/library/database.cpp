// SPDX-License-Identifier: Apache-2.0
#include "library/database.h"

#include <sqlite3.h>

#include <chrono>
#include <thread>

#include "base/error.h"

namespace lazyllm::library {
namespace {

constexpr int kMostWaitMs = 20'000, kRetryMs = 10;  // for other processes

[[noreturn]] void refuse(sqlite3* database, const std::string& name) {
  const int code = sqlite3_errcode(database);
  const bool damaged = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  std::string why = sqlite3_errmsg(database);
  if (code == SQLITE_FULL) why = "the disk is full";
  if (code == SQLITE_READONLY) why = "it cannot be written";
  throw Error(damaged ? ErrorCode::invalid_file : ErrorCode::io, fmt::format("{}: {}", name, why));
}

}  // namespace

Statement::Statement(sqlite3* database, const std::string& name, std::string_view sql)
    : database_(database), name_(name) {
  if (sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_,
                         nullptr) != SQLITE_OK) {
    refuse(database, name);
  }
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_bytes(std::span<const std::byte> bytes) {
  // A null pointer would bind NULL.
  sqlite3_bind_blob64(statement_, ++bound_,
                      bytes.empty() ? "" : static_cast<const void*>(bytes.data()), bytes.size(),
                      SQLITE_TRANSIENT);
  return *this;
}

bool Statement::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  refuse(database_, name_);
}

int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
  const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return text == nullptr
             ? std::string()
             : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::span<const std::byte> Statement::bytes(int column) const {
  const void* const data = sqlite3_column_blob(statement_, column);
  return {static_cast<const std::byte*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Database::Database(const std::filesystem::path& path) : name_(path.string()) {
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(name_.c_str(), &database_, flags, nullptr) != SQLITE_OK) {
    const std::string why = database_ == nullptr ? "no memory" : sqlite3_errmsg(database_);
    sqlite3_close(database_);
    fail(ErrorCode::io, "{}: {}", name_, why);
  }
  try {
    sqlite3_busy_timeout(database_, kMostWaitMs);
    use_write_ahead_log();
    run("PRAGMA synchronous = FULL");
  } catch (...) {
    sqlite3_close(database_);
    throw;
  }
}

/// SQLite does not wait where two processes make the same file at once; then this does.
void Database::use_write_ahead_log() {
  for (int waited_ms = 0;; waited_ms += kRetryMs) {
    try {
      run("PRAGMA journal_mode = WAL");
      return;
    } catch (const Error&) {
      if (sqlite3_errcode(database_) != SQLITE_BUSY || waited_ms > kMostWaitMs) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kRetryMs));
  }
}

Database::~Database() {
  sqlite3_close(database_);
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {  // it is undone when the database is closed
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace lazyllm::library
