// SPDX-License-Identifier: Apache-2.0
// What is asked of the slots beside answers: their conversations written to files and read back.
// The working thread does it, since the snapshots are its own.
#include <algorithm>

#include "base/error.h"
#include "engine/scheduler_implementation.h"
#include "engine/snapshot_file.h"

namespace lazyllm {

void Scheduler::Implementation::have_done(std::function<void()> errand) {
  std::packaged_task<void()> task(std::move(errand));
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(mutex);
    if (stopping) fail(ErrorCode::overloaded, "the server is about to stop");
    errands.push_back(std::move(task));
    published.settled = false;
  }
  bell->ring();
  try {
    done.get();
  } catch (const std::future_error&) {
    fail(ErrorCode::overloaded, "the server is about to stop");
  }
}

void Scheduler::Implementation::do_errands() {
  std::deque<std::packaged_task<void()>> wanted;
  {
    const std::lock_guard lock(mutex);
    wanted.swap(errands);
  }
  for (std::packaged_task<void()>& errand : wanted) errand();  // what it throws goes to who waits
}

void Scheduler::Implementation::check_slot(int slot) const {
  if (slot >= 0 && slot < options.parallel) return;
  fail(ErrorCode::usage, "there is no slot {}; there are slots 0 to {}", slot,
       options.parallel - 1);
}

/// The one that saves most of it.
std::shared_ptr<const lazy::Snapshot> Scheduler::Implementation::snapshot_of(
    std::span<const TokenId> conversation) const {
  std::shared_ptr<const lazy::Snapshot> best;
  for (const auto& snapshot : snapshots.snapshots()) {
    if (!engine::is_of_conversation(snapshot->tokens(), conversation)) continue;
    if (best == nullptr || snapshot->size() * snapshot->depth() > best->size() * best->depth()) {
      best = snapshot;
    }
  }
  return best;
}

Scheduler::SlotFile Scheduler::Implementation::save_slot(size_t slot,
                                                         const std::filesystem::path& path) {
  const auto snapshot = snapshot_of(conversations[slot]);
  if (conversations[slot].empty() || snapshot == nullptr) {
    fail(ErrorCode::invalid_input,
         "slot {} holds nothing that could be saved: no answer ended there, or there was no room "
         "for it (--cache-ram)",
         slot);
  }
  engine::write_snapshot(path, *snapshot, engine::snapshot_origin(*model, cache_types));
  return {snapshot->size(), std::filesystem::file_size(path)};
}

Scheduler::SlotFile Scheduler::Implementation::restore_slot(size_t slot,
                                                            const std::filesystem::path& path) {
  auto snapshot =
      engine::read_snapshot(path, transformer, engine::snapshot_origin(*model, cache_types));
  if (snapshot->bytes() > snapshots.most_bytes()) {
    fail(ErrorCode::context_full,
         "{}: the snapshot needs {} MiB, but all snapshots have {}; give more with --cache-ram",
         path.filename().string(), (snapshot->bytes() >> 20) + 1, snapshots.most_bytes() >> 20);
  }
  conversations[slot].assign(snapshot->tokens().begin(), snapshot->tokens().end());
  snapshots.store(std::move(snapshot));
  publish();
  return {std::ssize(conversations[slot]), std::filesystem::file_size(path)};
}

int64_t Scheduler::Implementation::erase_slot(size_t slot) {
  const std::vector<TokenId> conversation = std::exchange(conversations[slot], {});
  if (conversation.empty()) return 0;
  drop_deepening();  // of what it may be; begun again if it is not
  snapshots.erase(conversation);
  if (snapshot_library) snapshot_library->erase(conversation);
  publish();
  return std::ssize(conversation);
}

Scheduler::SlotFile Scheduler::save_slot(int slot, const std::filesystem::path& path) {
  implementation_->check_slot(slot);
  SlotFile file;
  implementation_->have_done(
      [&] { file = implementation_->save_slot(static_cast<size_t>(slot), path); });
  return file;
}

Scheduler::SlotFile Scheduler::restore_slot(int slot, const std::filesystem::path& path) {
  implementation_->check_slot(slot);
  SlotFile file;
  implementation_->have_done(
      [&] { file = implementation_->restore_slot(static_cast<size_t>(slot), path); });
  return file;
}

int64_t Scheduler::erase_slot(int slot) {
  implementation_->check_slot(slot);
  int64_t tokens = 0;
  implementation_->have_done(
      [&] { tokens = implementation_->erase_slot(static_cast<size_t>(slot)); });
  return tokens;
}

}  // namespace lazyllm
