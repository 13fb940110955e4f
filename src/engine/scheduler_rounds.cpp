// SPDX-License-Identifier: Apache-2.0
// The working thread: which answers begin, go on and end. What they compute: scheduler_steps.cpp.
#include <algorithm>
#include <cmath>
#include <new>

#include "base/error.h"
#include "engine/scheduler_implementation.h"

namespace lazyllm {
namespace {

/// What an answer's reader is told of a failure.
Error to_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    // With a text of its own: copies of an exception share theirs, and this one goes to a thread
    // of the reader's while ours still holds the failure.
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::overloaded,
            "the machine has no memory left for this answer; try again later, or with less text"};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, error.what()};
  } catch (...) {
    return {ErrorCode::internal, "an unknown failure"};
  }
}

}  // namespace

void Scheduler::Implementation::work() {
  while (!must_stop()) {
    try {
      work_round();
    } catch (...) {
      // What an answer causes is caught where it is caused. This concerns all: they end with an
      // error, and the next requests are served.
      fail_all(std::current_exception());
    }
  }
  try {
    cancel_all();
    forget_what_is_asked();
    do_errands();
    if (snapshot_store) snapshot_store->save(snapshots);
    if (snapshot_library) snapshot_library->save(snapshots);
  } catch (...) {
    fail_all(std::current_exception());
  }
}

void Scheduler::Implementation::work_round() {
  drop_cancelled();
  forget_what_is_asked();
  do_errands();
  admit();
  begin();
  decode();
  prefill();
  publish();
  if (waits_for_constraints()) {
    bell->wait();
  } else if (idle() && !use_idle_time()) {
    counters.settled = true;
    publish();
    bell->wait();
    counters.settled = false;
  }
}

bool Scheduler::Implementation::must_stop() const {
  const std::lock_guard lock(mutex);
  return stopping;
}

/// Nothing to compute; what waits in the queue, if anything, could be admitted.
bool Scheduler::Implementation::idle() const {
  const bool working = std::any_of(slots.begin(), slots.end(),
                                   [](const Slot& slot) { return slot.task != nullptr; });
  const std::lock_guard lock(mutex);
  return !working && queue.empty();
}

bool Scheduler::Implementation::waits_for_constraints() const {
  bool waits = false;
  for (const Slot& slot : slots) {
    if (slot.task == nullptr) continue;
    if (!slot.is_in(Stage::writes) || slot.task->may_write()) return false;
    waits = true;
  }
  return waits;
}

void Scheduler::Implementation::cancel_all() {
  for (Slot& slot : slots) {
    if (slot.task) finish(slot, FinishReason::cancelled);
  }
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex);
    waiting.swap(queue);
  }
  for (Waiting& entry : waiting) {
    entry.task->end(FinishReason::cancelled, std::nullopt, snapshots);
  }
  publish();
}

void Scheduler::Implementation::fail_all(const std::exception_ptr& failure) {
  drop_deepening();
  const Error error = to_error(failure);
  for (Slot& slot : slots) {
    if (!slot.task) continue;
    slot.task->abandon(error);
    admission.end(slot.bytes);
    slot = {};
  }
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex);
    waiting.swap(queue);
    published.running = 0;
    taken_slots = 0;
    published.kv_bytes_reserved = 0;
    for (SlotInfo& info : slot_infos) info = {.id = info.id};
    ended.notify_all();
  }
  for (Waiting& entry : waiting) entry.task->abandon(error);
}

void Scheduler::Implementation::drop_cancelled(const Slot* except) {
  for (Slot& slot : slots) {
    if (&slot != except && slot.task && slot.task->cancelled())
      finish(slot, FinishReason::cancelled);
  }
  std::vector<Waiting> dropped;
  {
    const std::lock_guard lock(mutex);
    for (auto entry = queue.begin(); entry != queue.end();) {
      if (entry->task->cancelled()) {
        dropped.push_back(std::move(*entry));
        entry = queue.erase(entry);
      } else {
        ++entry;
      }
    }
  }
  for (Waiting& entry : dropped) {
    ++counters.requests;
    ++counters.cancelled;
    entry.task->end(FinishReason::cancelled, std::nullopt, snapshots);
  }
}

/// First come, first served: one that does not fit yet is not overtaken, so that it comes to its
/// turn.
void Scheduler::Implementation::admit() {
  bool admitted = false;
  for (Slot& slot : slots) {
    if (slot.task) continue;
    {
      const std::lock_guard lock(mutex);
      if (queue.empty()) break;
      if (!admission.admits(queue.front().bytes)) drop_deepening();
      if (!admission.admits(queue.front().bytes)) break;
      slot.task = std::move(queue.front().task);
      slot.bytes = queue.front().bytes;
      queue.pop_front();
      ++published.running;
      ++taken_slots;
    }
    admission.begin(slot.bytes);
    slot.stage = Stage::begins;
    ++counters.requests;
    admitted = true;
  }
  if (admitted) publish();  // its first step may be a long one
}

/// Starts what was admitted. Of several like prompts (choices of one request) the first is
/// computed, the others wait for it; should it end before, the next one is. Prompts that begin
/// alike wait until the first one has come to its first pruning.
void Scheduler::Implementation::begin() {
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::begins)) continue;
    const bool shares = std::any_of(slots.begin(), slots.end(), [&](const Slot& other) {
      return other.is_in(Stage::prefills) && slot.task->has_same_prefill(*other.task);
    });
    if (!shares && !waits_for_reader(slot)) start(slot);
  }
}

bool Scheduler::Implementation::waits_for_reader(Slot& slot) {
  try {
    for (const Slot& other : slots) {
      if (!other.is_in(Stage::prefills) || !slot.task->gains_from(*other.task, snapshots)) continue;
      auto so_far = other.task->snapshot_so_far();
      if (so_far == nullptr) return true;
      snapshots.store(std::move(so_far));
    }
  } catch (...) {  // memory; it begins alone
  }
  return false;
}

void Scheduler::Implementation::start(Slot& slot) {
  try {
    // A policy that looks at the whole prompt first takes its time; the others go on meanwhile.
    if (snapshot_library) snapshot_library->bring(slot.task->prefill_question(), snapshots);
    slot.task->start(snapshots, rates, editing_stepper, mover, [&] { between_tiles_of(slot); });
    lazy::StepPart* const parts[] = {&slot.task->part()};
    stepper.begin(slot.task->prefill(), parts);
    slot.stage = Stage::prefills;
    slot.task->prepare_constraint(constraints);
    counters.snapshot_hits += slot.task->cached_tokens() > 0 ? 1 : 0;
    slot.task->tell_progress();
  } catch (...) {
    finish_failed(slot, std::current_exception());
  }
}

void Scheduler::Implementation::between_tiles_of(const Slot& slot) {
  if (must_stop()) fail(ErrorCode::cancelled, "the scheduler stops");
  drop_cancelled(&slot);
  decode();
}

void Scheduler::Implementation::finish(Slot& slot, FinishReason reason,
                                       std::optional<Error> error) {
  if (reason == FinishReason::cancelled && !error) ++counters.cancelled;
  const Statistics& statistics = slot.task->statistics();
  const auto dense = static_cast<uint64_t>(slot.task->prompt_tokens()) *
                     static_cast<uint64_t>(transformer.hyperparameters().kv_layers());
  if (statistics.generated_tokens > 0) {
    counters.dense_pairs += dense;
    counters.computed_pairs += static_cast<uint64_t>(
        std::llround(statistics.computed_fraction * static_cast<double>(dense)));
  }
  if (slot.task->leaves_conversation()) {
    const int named = slot.task->named_slot();
    const size_t kept =
        named >= 0 ? static_cast<size_t>(named) : static_cast<size_t>(&slot - slots.data());
    conversations[kept] = slot.task->conversation();
  }
  {
    // Before the reader knows: its next request finds the slot free.
    const std::lock_guard lock(mutex);
    --taken_slots;
  }
  slot.task->end(reason, std::move(error), snapshots);
  admission.end(slot.bytes);
  slot = {};
}

void Scheduler::Implementation::finish_failed(Slot& slot, const std::exception_ptr& failure) {
  Error error = to_error(failure);
  const bool cancelled = error.code() == ErrorCode::cancelled;
  finish(slot, FinishReason::cancelled, cancelled ? std::nullopt : std::optional(std::move(error)));
}

}  // namespace lazyllm
