// SPDX-License-Identifier: Apache-2.0
// The working thread: the steps of prompts and of answers, and who shares them.
#include <algorithm>

#include "base/error.h"
#include "engine/scheduler_implementation.h"

namespace lazyllm {

using engine::AnswerTask;
using engine::SnapshotDeepener;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

void Scheduler::Implementation::write() {
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::writes) || !slot.task->may_write()) continue;
    try {
      slot.task->write();
      ++counters.generated_tokens;
      slot.task->prepare_constraint(constraints);
    } catch (...) {
      finish_failed(slot, std::current_exception());
      continue;
    }
    slot.stage = Stage::decodes;
    if (slot.task->over()) finish(slot, slot.task->finish_reason());
  }
}

/// Answers whose next token was computed as a draft write on without a step.
void Scheduler::Implementation::write_drafted() {
  for (bool any = true; any;) {
    any = false;
    for (Slot& slot : slots) {
      if (!slot.is_in(Stage::decodes)) continue;
      try {
        if (!slot.task->take_drafted()) continue;
        slot.stage = Stage::writes;
        any = true;
      } catch (...) {
        finish_failed(slot, std::current_exception());
      }
    }
    if (any) write();
  }
}

void Scheduler::Implementation::decode() {
  write();
  write_drafted();
  decode_parts.clear();
  const Clock::time_point begin = Clock::now();
  const auto answers = std::count_if(slots.begin(), slots.end(),
                                     [](const Slot& slot) { return slot.is_in(Stage::decodes); });
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::decodes)) continue;
    try {
      const auto parts = slot.task->begin_decode(step_cost, answers - 1);
      decode_parts.insert(decode_parts.end(), parts.begin(), parts.end());
    } catch (...) {
      finish_failed(slot, std::current_exception());
    }
  }
  if (decode_parts.empty()) return;
  try {
    stepper.begin(decode_run, decode_parts);
    while (stepper.advance(decode_run)) {
    }
  } catch (...) {  // what concerns all; what one part causes lies in its StepPart::failure()
    for (Slot& slot : slots) {
      if (slot.is_in(Stage::decodes)) finish_failed(slot, std::current_exception());
    }
    return;
  }
  int64_t rows = 0;
  for (const lazy::StepPart* part : decode_parts) rows += std::ssize(part->request().new_tokens);
  ++counters.decode_steps;
  counters.decode_rows += static_cast<uint64_t>(answers);
  step_cost.note(rows, seconds_since(begin));
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::decodes)) continue;
    try {
      slot.task->finish_decode();
      slot.stage = Stage::writes;
    } catch (...) {
      finish_failed(slot, std::current_exception());
    }
  }
  write();
  write_drafted();
  slice.note_step(seconds_since(begin));
  counters.decode_seconds += seconds_since(begin);
}

/// One slice: the prefills take turns, tile by tile. With nobody decoding a tile is a slice.
void Scheduler::Implementation::prefill() {
  const bool others_decode = std::any_of(slots.begin(), slots.end(), [](const Slot& slot) {
    return slot.is_in(Stage::decodes) || slot.is_in(Stage::writes);
  });
  const Clock::time_point begin = Clock::now();
  bool first = true;
  for (size_t tried = 0; tried < slots.size();) {
    Slot& slot = slots[next_prefill++ % slots.size()];
    if (!slot.is_in(Stage::prefills)) {
      ++tried;
      continue;
    }
    tried = 0;
    const size_t rows =
        others_decode ? slice.next_tile_rows(seconds_since(begin), first) : lazy::StepRun::kNoLimit;
    if (rows == 0) {
      --next_prefill;
      break;
    }
    slot.task->prefill().limit_tile(rows);
    advance_prefill(slot);
    if (!others_decode) break;
    first = false;
  }
  counters.prefill_seconds += seconds_since(begin);
}

void Scheduler::Implementation::advance_prefill(Slot& slot) {
  AnswerTask& task = *slot.task;
  try {
    const Clock::time_point begin = Clock::now();
    const bool more = stepper.advance(task.prefill());
    if (task.part().failed()) std::rethrow_exception(task.part().failure());
    slice.note_tile(task.prefill().last_tile_rows(), seconds_since(begin));
    if (more) {
      task.tell_progress();
      return;
    }
    if (task.go_on(snapshots, mover)) {
      lazy::StepPart* const parts[] = {&task.part()};
      stepper.begin(task.prefill(), parts);
      task.tell_progress();
      return;
    }
    share_prefill(slot);
    task.finish_prefill();
    task.note_speed(rates);
  } catch (...) {
    finish_failed(slot, std::current_exception());
    return;
  }
  to_decode(slot);
}

bool Scheduler::Implementation::use_idle_time() {
  if (snapshot_store && !deepener.busy() && snapshot_store->save_one(snapshots)) return true;
  if (snapshot_library && !deepener.busy() && snapshot_library->save_one(snapshots)) return true;
  return options.deepen_when_idle && deepen();
}

bool Scheduler::Implementation::deepen() {
  const Clock::time_point begin = Clock::now();
  if (!deepener.busy()) {
    if (!deepener.begin(snapshots, admission.free_bytes(), stepper)) return false;
    admission.set_aside(deepener.bytes());
  }
  const uint64_t bytes = deepener.bytes();
  const auto tokens = static_cast<uint64_t>(deepener.tokens());
  const SnapshotDeepener::Progress progress = deepener.advance(snapshots, stepper);
  if (progress != SnapshotDeepener::Progress::under_way) admission.give_back(bytes);
  if (progress == SnapshotDeepener::Progress::done) {
    ++counters.deepened_snapshots;
    counters.deepened_tokens += tokens;
  }
  counters.idle_seconds += seconds_since(begin);
  return true;
}

void Scheduler::Implementation::forget_what_is_asked() {
  std::vector<std::vector<TokenId>> wanted;
  {
    const std::lock_guard lock(mutex);
    wanted.swap(to_forget);
  }
  for (const std::vector<TokenId>& tokens : wanted) {
    drop_deepening();  // of what it may be; begun again if it is not
    snapshots.forget(tokens);
    if (snapshot_library) snapshot_library->forget(tokens);
  }
}

void Scheduler::Implementation::drop_deepening() {
  admission.give_back(deepener.bytes());
  deepener.drop();
}

/// Gives a prompt's step to those who wait for it.
void Scheduler::Implementation::share_prefill(Slot& from) {
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::begins) || !slot.task->has_same_prefill(*from.task)) continue;
    try {
      slot.task->share_prefill(*from.task);
      slot.task->prepare_constraint(constraints);
    } catch (...) {
      finish_failed(slot, std::current_exception());
      continue;
    }
    to_decode(slot);
  }
}

/// The prompt is computed.
void Scheduler::Implementation::to_decode(Slot& slot) {
  AnswerTask& task = *slot.task;
  slot.stage = Stage::writes;
  counters.prompt_tokens += static_cast<uint64_t>(task.prompt_tokens());
  counters.cached_tokens += static_cast<uint64_t>(task.cached_tokens());
  if (task.over()) finish(slot, task.finish_reason());
}

}  // namespace lazyllm
