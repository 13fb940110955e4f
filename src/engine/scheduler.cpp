// SPDX-License-Identifier: Apache-2.0
// What callers of other threads see of the scheduler: requests go in, copies of what is known come
// out. scheduler_rounds.cpp and scheduler_steps.cpp are its working thread.
#include "lazyllm/scheduler.h"

#include <algorithm>

#include "base/error.h"
#include "base/start_thread.h"
#include "engine/model_implementation.h"
#include "engine/prompt_check.h"
#include "engine/scheduler_implementation.h"

namespace lazyllm {

using engine::AnswerChannel;
using engine::AnswerTask;

namespace {

double mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

}  // namespace

Scheduler::Implementation::Implementation(std::shared_ptr<const Model> owner,
                                          const SchedulerOptions& wanted)
    : model(std::move(owner)),
      transformer(model->implementation().require_transformer()),
      options(wanted),
      cache_types{static_cast<kernels::CacheType>(wanted.cache_type_k),
                  static_cast<kernels::CacheType>(wanted.cache_type_v)},
      stepper(transformer),
      editing_stepper(transformer),
      mover(transformer),
      snapshots(wanted.cache_bytes),
      deepener(transformer, cache_types),
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
  conversations.resize(slots.size());
  if (options.kv_bytes == 0) {
    AnswerRequest longest;
    longest.generation.prompt_lookup_num_tokens = kMostDraftedTokens;
    const AnswerTask task(model, longest, cache_types, options.context, nullptr);
    options.kv_bytes = task.most_bytes() * static_cast<uint64_t>(options.parallel);
  }
  admission = engine::Admission(options.parallel, options.kv_bytes);
  if (!options.cache_folder.empty() && options.cache_bytes > 0) {
    snapshot_store.emplace(options.cache_folder, engine::snapshot_origin(*model, cache_types),
                           options.on_message);
    snapshot_store->load(transformer, snapshots);
  }
  if (options.library != nullptr && options.cache_bytes > 0) {
    snapshot_library.emplace(options.library, *model, cache_types);
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
  if (request.slot >= 0) check_slot(request.slot);
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
    if (std::ssize(queue) >= options.max_queue + options.parallel - taken_slots) {
      ++refused;
      fail(ErrorCode::overloaded, "{} requests are waiting already; try again later", queue.size());
    }
    queue.push_back({std::move(task), bytes});
    published.settled = false;
  }
  bell->ring();
  return std::make_unique<engine::ChannelAnswer>(std::move(channel));
}

void Scheduler::Implementation::publish() {
  counters.running = 0;
  counters.kv_bytes_reserved = admission.promised_bytes();
  counters.kv_bytes_total = options.kv_bytes;
  counters.snapshots = snapshots.size();
  counters.snapshot_bytes = snapshots.bytes();
  counters.deepening_share = deepener.share();
  const std::lock_guard lock(mutex);
  slot_infos.clear();
  for (const Slot& slot : slots) {
    slot_infos.push_back(slot.task ? slot.task->slot_info() : SlotInfo{});
    slot_infos.back().id = static_cast<int>(slot_infos.size()) - 1;
    counters.running += slot.task ? 1 : 0;
  }
  published = counters;
  published.settled = counters.settled && queue.empty() && to_forget.empty() && errands.empty();
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

void Scheduler::forget(std::vector<TokenId> tokens) {
  {
    const std::lock_guard lock(implementation_->mutex);
    implementation_->to_forget.push_back(std::move(tokens));
    implementation_->published.settled = false;
  }
  implementation_->bell->ring();
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
