// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "library/shared_store.h"

namespace lazyllm::library {

/// A shared store as a library sees it: everything that goes wrong is told once and means that
/// nothing is there for a while, so that a store that is slow, full or gone costs a bounded wait
/// and never an answer. Thread-safe.
class Mirror {
 public:
  using Kind = LibraryEntry::Kind;
  Mirror(std::unique_ptr<SharedStore> store, std::function<void(const std::string&)> tell);

  /// Grows with changes of others. Asks the store once a second at most.
  int64_t changes();
  std::vector<LibraryEntry> entries(Kind kind, const std::string& origin);
  std::optional<SharedItem> find(Kind kind, const std::string& origin, const std::string& id);
  bool fetch(const SharedItem& item, const std::filesystem::path& path);
  void put(const SharedItem& item, const std::filesystem::path& path);
  void remove(const LibraryEntry& entry);

 private:
  using Clock = std::chrono::steady_clock;
  /// Whether `work` was done.
  bool try_to(const std::function<void()>& work);

  std::mutex mutex_;
  std::unique_ptr<SharedStore> store_;
  std::function<void(const std::string&)> tell_;
  int64_t changes_ = 0;
  Clock::time_point asked_{}, quiet_until_{};
  std::map<std::string, SharedItem> known_;  // by KIND ORIGIN ID
};

}  // namespace lazyllm::library
