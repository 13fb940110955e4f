// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace lazyllm::library {

/// A prepared statement. Its values are bound from 1 in order.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& name, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind_bytes(std::span<const std::byte> bytes);
  /// The next row, if there is one. Errors: Error(io).
  bool next();
  void run() {
    while (next()) {
    }
  }
  int64_t number(int column) const;
  std::string text(int column) const;
  std::span<const std::byte> bytes(int column) const;

 private:
  sqlite3* database_;
  const std::string& name_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

/// An SQLite database in a file, with a write-ahead log: several processes read while one writes,
/// and what is committed outlives a crash. One thread at a time.
class Database {
 public:
  /// Errors: Error(io); Error(invalid_file) where the file is no database or damaged.
  explicit Database(const std::filesystem::path& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Statement prepare(std::string_view sql) { return Statement(database_, name_, sql); }
  void run(std::string_view sql) { prepare(sql).run(); }

 private:
  void use_write_ahead_log();

  sqlite3* database_ = nullptr;
  std::string name_;
};

/// Holds the database's one place for a writer; undone at its end unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {
    database.run("BEGIN IMMEDIATE");
  }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace lazyllm::library
