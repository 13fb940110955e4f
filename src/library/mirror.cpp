// SPDX-License-Identifier: Apache-2.0
#include "library/mirror.h"

#include "base/error.h"

namespace lazyllm::library {
namespace {

constexpr auto kAskEvery = std::chrono::seconds(1);
constexpr auto kQuietAfterFailure = std::chrono::seconds(10);

std::string key_of(LibraryEntry::Kind kind, const std::string& origin, const std::string& id) {
  return fmt::format("{}\n{}\n{}", static_cast<int>(kind), origin, id);
}

}  // namespace

Mirror::Mirror(std::unique_ptr<SharedStore> store, std::function<void(const std::string&)> tell)
    : store_(std::move(store)), tell_(std::move(tell)) {}

bool Mirror::try_to(const std::function<void()>& work) {
  if (Clock::now() < quiet_until_) return false;
  try {
    work();
    return true;
  } catch (const Error& failure) {
    quiet_until_ = Clock::now() + kQuietAfterFailure;
    tell_(fmt::format("{}; it goes on without the shared store for {} s", failure.what(),
                      kQuietAfterFailure.count()));
    return false;
  }
}

int64_t Mirror::changes() {
  const std::lock_guard lock(mutex_);
  if (Clock::now() - asked_ >= kAskEvery) {
    try_to([&] { changes_ = std::max(changes_, store_->changes()); });
    asked_ = Clock::now();
  }
  return changes_;
}

std::vector<LibraryEntry> Mirror::entries(Kind kind, const std::string& origin) {
  const std::lock_guard lock(mutex_);
  std::vector<LibraryEntry> result;
  try_to([&] {
    std::map<std::string, SharedItem> still_there;
    const std::string first = key_of(kind, origin, "");
    for (const std::string& id : store_->ids(kind, origin)) {
      const std::string key = first + id;
      const auto known = known_.find(key);
      std::optional<SharedItem> item =
          known != known_.end() ? known->second : store_->find(kind, origin, id);
      if (!item) continue;
      result.push_back(item->entry);
      still_there.emplace(key, std::move(*item));
    }
    std::erase_if(known_, [&](const auto& item) { return item.first.starts_with(first); });
    known_.merge(still_there);
  });
  return result;
}

std::optional<SharedItem> Mirror::find(Kind kind, const std::string& origin,
                                       const std::string& id) {
  const std::lock_guard lock(mutex_);
  std::optional<SharedItem> item;
  try_to([&] { item = store_->find(kind, origin, id); });
  return item;
}

bool Mirror::fetch(const SharedItem& item, const std::filesystem::path& path) {
  const std::lock_guard lock(mutex_);
  bool there = false;
  try_to([&] { there = store_->fetch(item.entry, path); });
  return there;
}

void Mirror::put(const SharedItem& item, const std::filesystem::path& path) {
  const std::lock_guard lock(mutex_);
  try_to([&] { store_->put(item, path); });
}

void Mirror::remove(const LibraryEntry& entry) {
  const std::lock_guard lock(mutex_);
  known_.erase(key_of(entry.kind, entry.origin, entry.id));
  try_to([&] { store_->remove(entry); });
}

}  // namespace lazyllm::library
