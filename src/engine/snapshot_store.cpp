// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_store.h"

#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/error.h"
#include "base/hash.h"

namespace lazyllm::engine {
namespace {

constexpr char kExtension[] = ".lazysnapshot";

/// The folder's snapshots, newest first.
std::vector<std::filesystem::path> snapshots_in(const std::filesystem::path& folder) {
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == kExtension && entry.is_regular_file(error)) {
      found.emplace_back(entry.last_write_time(error), entry.path());
    }
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::filesystem::path> paths;
  for (auto& [time, path] : found) paths.push_back(std::move(path));
  return paths;
}

}  // namespace

SnapshotStore::SnapshotStore(std::filesystem::path folder, SnapshotOrigin origin, Tell tell)
    : folder_(std::move(folder)), origin_(std::move(origin)), tell_(std::move(tell)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const std::filesystem::path probe = folder_ / ".probe";
  if (error || !std::ofstream(probe)) {
    fail(ErrorCode::io,
         "--slot-save-path {}: cannot write there; name a folder that can be written",
         folder_.string());
  }
  std::filesystem::remove(probe, error);
}

std::filesystem::path SnapshotStore::path_of(const lazy::Snapshot& snapshot) const {
  Hash hash;
  hash.add(origin_.model);
  hash.add(int64_t{snapshot.depth()});
  hash.add_text(snapshot.attention().to_string());
  hash.add(std::as_bytes(snapshot.tokens()));
  return folder_ / fmt::format("{:016x}{}", hash.value(), kExtension);
}

void SnapshotStore::load(const model::Transformer& transformer, SnapshotCache& cache) {
  std::vector<std::unique_ptr<lazy::Snapshot>> newest_first;
  uint64_t bytes = cache.bytes();
  for (const std::filesystem::path& path : snapshots_in(folder_)) {
    try {
      std::unique_ptr<lazy::Snapshot> snapshot = read_snapshot(path, transformer, origin_);
      ours_.insert(path);
      if (bytes + snapshot->bytes() > cache.most_bytes()) continue;
      bytes += snapshot->bytes();
      newest_first.push_back(std::move(snapshot));
    } catch (const std::exception& error) {
      if (tell_) tell_(error.what());
    }
  }
  // The cache takes what comes last for the most recently used.
  for (auto snapshot = newest_first.rbegin(); snapshot != newest_first.rend(); ++snapshot) {
    cache.store(std::move(*snapshot));
  }
}

void SnapshotStore::write(const lazy::Snapshot& snapshot, const std::filesystem::path& path) {
  try {
    write_snapshot(path, snapshot, origin_);
    ours_.insert(path);
  } catch (const std::exception& error) {
    failed_.insert(path);
    if (tell_) tell_(error.what());
  }
}

bool SnapshotStore::save_one(const SnapshotCache& cache) {
  std::set<std::filesystem::path> wanted;
  for (const auto& snapshot : cache.snapshots()) {
    const std::filesystem::path path = path_of(*snapshot);
    wanted.insert(path);
    if (ours_.contains(path) || failed_.contains(path)) continue;
    write(*snapshot, path);
    return true;
  }
  remove_all_but(wanted);
  return false;
}

void SnapshotStore::remove_all_but(const std::set<std::filesystem::path>& wanted) {
  std::erase_if(ours_, [&](const std::filesystem::path& path) {
    if (wanted.contains(path)) return false;
    std::error_code error;
    std::filesystem::remove(path, error);
    return true;
  });
}

void SnapshotStore::save(const SnapshotCache& cache) {
  std::set<std::filesystem::path> wanted;
  // The files' times keep the order of last use.
  auto used = std::filesystem::file_time_type::clock::now();
  for (const auto& snapshot : cache.snapshots()) {
    const std::filesystem::path path = path_of(*snapshot);
    wanted.insert(path);
    if (!ours_.contains(path)) write(*snapshot, path);
    std::error_code error;
    std::filesystem::last_write_time(path, used, error);
    used -= std::chrono::milliseconds(10);
  }
  remove_all_but(wanted);
}

}  // namespace lazyllm::engine
