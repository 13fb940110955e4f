// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lazyllm/library.h"
#include "lazyllm/scheduler.h"

namespace lazyllm::server {

/// Documents that requests may name: in the library, or in memory where there is none or it does
/// not take them; the oldest of these go first. Also what is being read ahead. Thread-safe.
class DocumentShelf {
 public:
  explicit DocumentShelf(std::shared_ptr<Library> library, size_t most_bytes = size_t{64} << 20)
      : library_(std::move(library)), most_bytes_(most_bytes) {}

  struct Document {
    LibraryEntry entry;
    bool on_disk = false;
  };
  /// `problem`: why it is in memory only; empty: it is not, or there is no library.
  Document put(const std::string& name, const std::string& text, std::string& problem);
  /// Errors: RequestError 404 that names `param`.
  std::string text(const std::string& id, const std::string& param);
  Document find(const std::string& id, const std::string& param);
  std::vector<Document> all();
  /// Errors: RequestError 404.
  void remove(const std::string& id);

  struct Reading {
    enum class State { none, reading, ready, failed } state = State::none;
    double share = 0.0;
    int64_t tokens = 0;  ///< of the prompt
    std::string error = {};
  };
  void begin_reading(const std::string& id, std::unique_ptr<Answer> answer, int64_t tokens);
  Reading reading(const std::string& id);

 private:
  struct InMemory {
    LibraryEntry entry;
    std::string text;
  };
  struct Work {
    std::unique_ptr<Answer> answer;  ///< null: it ended
    Reading reading;
  };
  std::list<InMemory>::iterator position_of(const std::string& id);
  std::optional<LibraryEntry> in_library(const std::string& id);
  void forget_ended();

  std::shared_ptr<Library> library_;
  const size_t most_bytes_;
  std::mutex mutex_;
  std::list<InMemory> in_memory_;  ///< the oldest first
  size_t bytes_ = 0;
  std::map<std::string, Work> work_;
};

}  // namespace lazyllm::server
