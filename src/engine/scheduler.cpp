// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/scheduler.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

#include "base/error.h"
#include "base/start_thread.h"
#include "engine/admission.h"
#include "engine/answer_channel.h"
#include "engine/answer_task.h"
#include "engine/model_implementation.h"
#include "engine/prompt_check.h"
#include "engine/slice_budget.h"
#include "engine/snapshot_cache.h"
#include "engine/snapshot_store.h"
#include "formats/fingerprint.h"
#include "lazy/step.h"
#include "lazyllm/version.h"

namespace lazyllm {

using engine::AnswerChannel;
using engine::AnswerTask;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

/// What an answer's reader is told of a failure.
Error to_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error;
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

/// One thread owns all answers in work and makes every step; requests come in through a queue,
/// what is known about the work goes out as copies.
struct Scheduler::Implementation {
  Implementation(std::shared_ptr<const Model> owner, const SchedulerOptions& wanted);
  ~Implementation();

  std::unique_ptr<Answer> submit(AnswerRequest request);
  void drain(std::chrono::milliseconds limit);

  struct Waiting {
    std::unique_ptr<AnswerTask> task;
    uint64_t bytes;
  };
  enum class Stage {
    begins,  // or waits for a like prompt under way, to share its prefill
    prefills,
    decodes,
  };
  struct Slot {
    std::unique_ptr<AnswerTask> task;  // null: free
    uint64_t bytes = 0;                // reserved
    Stage stage = Stage::begins;

    bool is_in(Stage wanted) const { return task != nullptr && stage == wanted; }
  };

  void work();
  void work_round();
  void cancel_all();
  void fail_all(const std::exception_ptr& failure);
  void admit();
  void begin();
  void start(Slot& slot);
  void drop_cancelled(const Slot* except = nullptr);
  void between_tiles_of(const Slot& slot);
  bool must_stop() const;
  void decode();
  void prefill();
  void advance_prefill(Slot& slot);
  void share_prefill(Slot& from);
  void to_decode(Slot& slot);
  void finish(Slot& slot, FinishReason reason, std::optional<Error> error = std::nullopt);
  /// Ends the answer that failed, or was cancelled by throwing; the others go on.
  void finish_failed(Slot& slot, const std::exception_ptr& failure);
  void publish();
  bool idle() const;

  std::shared_ptr<const Model> model;
  const model::Transformer& transformer;
  SchedulerOptions options;
  lazy::CacheTypes cache_types;
  std::shared_ptr<engine::Bell> bell = std::make_shared<engine::Bell>();

  // Of the working thread alone.
  lazy::Stepper stepper, editing_stepper;
  engine::SnapshotCache snapshots;
  std::optional<engine::SnapshotStore> snapshot_store;
  std::vector<Slot> slots;
  lazy::StepRun decode_run;
  std::vector<lazy::StepPart*> decode_parts;
  size_t next_prefill = 0;  // whose turn it is
  engine::SliceBudget slice;
  engine::Admission admission{0, 0};
  SchedulerMetrics counters;

  mutable std::mutex mutex;  // for what follows
  std::condition_variable ended;
  std::deque<Waiting> queue;
  std::vector<SlotInfo> slot_infos;
  SchedulerMetrics published;
  uint64_t refused = 0;
  bool stopping = false, draining = false;

  std::thread thread;
};

Scheduler::Implementation::Implementation(std::shared_ptr<const Model> owner,
                                          const SchedulerOptions& wanted)
    : model(std::move(owner)),
      transformer(model->implementation().require_transformer()),
      options(wanted),
      cache_types{static_cast<kernels::CacheType>(wanted.cache_type_k),
                  static_cast<kernels::CacheType>(wanted.cache_type_v)},
      stepper(transformer),
      editing_stepper(transformer),
      snapshots(wanted.cache_bytes),
      slice(wanted.prefill_slice_ms / 1e3) {
  const int64_t trained = transformer.hyperparameters().context_length;
  if (options.context == 0) options.context = trained;
  if (options.context < 1 || options.context > trained) {
    fail(ErrorCode::usage,
         "--ctx-size {}: must lie in 1 to {}, the context of the model's training", options.context,
         trained);
  }
  if (options.parallel < 1 || options.parallel > 1024) {
    fail(ErrorCode::usage, "--parallel {}: must lie in 1 to 1024", options.parallel);
  }
  slots.resize(static_cast<size_t>(options.parallel));
  if (options.kv_bytes == 0) {
    AnswerRequest longest;
    const AnswerTask task(model, longest, cache_types, options.context, nullptr);
    options.kv_bytes = task.most_bytes() * static_cast<uint64_t>(options.parallel);
  }
  admission = engine::Admission(options.parallel, options.kv_bytes);
  if (!options.cache_folder.empty() && options.cache_bytes > 0) {
    snapshot_store.emplace(
        options.cache_folder,
        engine::SnapshotOrigin{formats::fingerprint(*model->implementation().file), version(),
                               model->info().isa, cache_types},
        options.on_message);
    snapshot_store->load(transformer, snapshots);
  }
  publish();
  thread = start_thread("the thread that computes answers", [this] { work(); });
}

Scheduler::Implementation::~Implementation() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  bell->ring();
  thread.join();
}

std::unique_ptr<Answer> Scheduler::Implementation::submit(AnswerRequest request) {
  const int64_t prompt = std::ssize(request.prompt);
  engine::check_prompt(request.prompt, options.context, transformer.hyperparameters());
  auto channel = std::make_shared<AnswerChannel>(bell);
  auto task = std::make_unique<AnswerTask>(model, std::move(request), cache_types, options.context,
                                           channel);
  const uint64_t bytes = task->most_bytes();
  if (!admission.can_ever_fit(bytes)) {
    fail(ErrorCode::context_full,
         "the request may need {:.0f} MiB of keys, values and hidden rows, but all of it is {:.0f} "
         "MiB; shorten the prompt of {} tokens or ask for fewer tokens",
         mebibytes(bytes), mebibytes(options.kv_bytes), prompt);
  }
  {
    const std::lock_guard lock(mutex);
    if (stopping || draining) {
      ++refused;
      fail(ErrorCode::overloaded, "the server is about to stop; try again in a moment");
    }
    // Those that a free slot is about to take do not wait.
    if (std::ssize(queue) >= options.max_queue + options.parallel - published.running) {
      ++refused;
      fail(ErrorCode::overloaded, "{} requests are waiting already; try again later", queue.size());
    }
    queue.push_back({std::move(task), bytes});
  }
  bell->ring();
  return std::make_unique<engine::ChannelAnswer>(std::move(channel));
}

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
    if (snapshot_store) snapshot_store->save(snapshots);
  } catch (...) {
    fail_all(std::current_exception());
  }
}

void Scheduler::Implementation::work_round() {
  drop_cancelled();
  admit();
  begin();
  decode();
  prefill();
  publish();
  if (idle()) bell->wait();
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
  for (Slot& slot : slots) {
    if (slot.task) continue;
    {
      const std::lock_guard lock(mutex);
      if (queue.empty() || !admission.admits(queue.front().bytes)) return;
      slot.task = std::move(queue.front().task);
      slot.bytes = queue.front().bytes;
      queue.pop_front();
      ++published.running;
    }
    admission.begin(slot.bytes);
    slot.stage = Stage::begins;
    ++counters.requests;
  }
}

/// Starts what was admitted. Of several like prompts (choices of one request) the first is
/// computed, the others wait for it; should it end before, the next one is.
void Scheduler::Implementation::begin() {
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::begins)) continue;
    const bool shares = std::any_of(slots.begin(), slots.end(), [&](const Slot& other) {
      return other.is_in(Stage::prefills) && slot.task->has_same_prefill(*other.task);
    });
    if (!shares) start(slot);
  }
}

void Scheduler::Implementation::start(Slot& slot) {
  try {
    // A policy that looks at the whole prompt first takes its time; the others go on meanwhile.
    slot.task->start(snapshots, editing_stepper, [&] { between_tiles_of(slot); });
    lazy::StepPart* const parts[] = {&slot.task->part()};
    stepper.begin(slot.task->prefill(), parts);
    slot.stage = Stage::prefills;
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

void Scheduler::Implementation::decode() {
  decode_parts.clear();
  const Clock::time_point begin = Clock::now();
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::decodes)) continue;
    try {
      slot.task->begin_decode();
      decode_parts.push_back(&slot.task->part());
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
  ++counters.decode_steps;
  counters.decode_rows += decode_parts.size();
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::decodes)) continue;
    try {
      if (slot.task->part().failed()) std::rethrow_exception(slot.task->part().failure());
      slot.task->finish_decode();
      ++counters.generated_tokens;
    } catch (...) {
      finish_failed(slot, std::current_exception());
      continue;
    }
    if (slot.task->over()) finish(slot, slot.task->finish_reason());
  }
  slice.note_step(seconds_since(begin));
  counters.decode_seconds += seconds_since(begin);
}

/// One slice: the prefills take turns, tile by tile. With nobody decoding a tile is a slice.
void Scheduler::Implementation::prefill() {
  const bool others_decode = std::any_of(
      slots.begin(), slots.end(), [](const Slot& slot) { return slot.is_in(Stage::decodes); });
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
    share_prefill(slot);
    task.finish_prefill();
  } catch (...) {
    finish_failed(slot, std::current_exception());
    return;
  }
  to_decode(slot);
}

/// Gives a prompt's step to those who wait for it.
void Scheduler::Implementation::share_prefill(Slot& from) {
  for (Slot& slot : slots) {
    if (!slot.is_in(Stage::begins) || !slot.task->has_same_prefill(*from.task)) continue;
    try {
      slot.task->share_prefill(*from.task);
    } catch (...) {
      finish_failed(slot, std::current_exception());
      continue;
    }
    to_decode(slot);
  }
}

/// The prompt is computed, the first token written.
void Scheduler::Implementation::to_decode(Slot& slot) {
  AnswerTask& task = *slot.task;
  slot.stage = Stage::decodes;
  counters.prompt_tokens += static_cast<uint64_t>(task.prompt_tokens());
  counters.cached_tokens += static_cast<uint64_t>(task.cached_tokens());
  counters.generated_tokens += static_cast<uint64_t>(task.statistics().generated_tokens);
  if (task.over()) finish(slot, task.finish_reason());
}

void Scheduler::Implementation::finish(Slot& slot, FinishReason reason,
                                       std::optional<Error> error) {
  if (reason == FinishReason::cancelled && !error) ++counters.cancelled;
  const Statistics& statistics = slot.task->statistics();
  const auto dense = static_cast<uint64_t>(slot.task->prompt_tokens()) *
                     static_cast<uint64_t>(transformer.hyperparameters().layers);
  if (statistics.generated_tokens > 0) {
    counters.dense_pairs += dense;
    counters.computed_pairs += static_cast<uint64_t>(
        std::llround(statistics.computed_fraction * static_cast<double>(dense)));
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

void Scheduler::Implementation::publish() {
  counters.running = 0;
  counters.kv_bytes_reserved = admission.promised_bytes();
  counters.kv_bytes_total = options.kv_bytes;
  counters.snapshots = snapshots.size();
  counters.snapshot_bytes = snapshots.bytes();
  const std::lock_guard lock(mutex);
  slot_infos.clear();
  for (const Slot& slot : slots) {
    slot_infos.push_back(slot.task ? slot.task->slot_info() : SlotInfo{});
    slot_infos.back().id = static_cast<int>(slot_infos.size()) - 1;
    counters.running += slot.task ? 1 : 0;
  }
  published = counters;
  if (counters.running == 0 && queue.empty()) ended.notify_all();
}

void Scheduler::Implementation::drain(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex);
  draining = true;
  const auto all_ended = [this] { return queue.empty() && published.running == 0; };
  if (ended.wait_for(lock, limit, all_ended)) return;
  stopping = true;
  lock.unlock();
  bell->ring();
  lock.lock();
  ended.wait(lock, all_ended);
}

Scheduler::Scheduler(std::shared_ptr<const Model> model, const SchedulerOptions& options)
    : implementation_(std::make_unique<Implementation>(std::move(model), options)) {}
Scheduler::~Scheduler() = default;

std::unique_ptr<Answer> Scheduler::submit(AnswerRequest request) {
  return implementation_->submit(std::move(request));
}

void Scheduler::drain(std::chrono::milliseconds limit) {
  implementation_->drain(limit);
}

std::vector<SlotInfo> Scheduler::slots() const {
  const std::lock_guard lock(implementation_->mutex);
  return implementation_->slot_infos;
}

SchedulerMetrics Scheduler::metrics() const {
  const std::lock_guard lock(implementation_->mutex);
  SchedulerMetrics metrics = implementation_->published;
  metrics.waiting = std::ssize(implementation_->queue);
  metrics.refused = implementation_->refused;
  return metrics;
}

const SchedulerOptions& Scheduler::options() const {
  return implementation_->options;
}

}  // namespace lazyllm
