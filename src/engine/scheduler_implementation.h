// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "engine/admission.h"
#include "engine/answer_channel.h"
#include "engine/answer_task.h"
#include "engine/constraint_worker.h"
#include "engine/slice_budget.h"
#include "engine/snapshot_cache.h"
#include "engine/snapshot_deepener.h"
#include "engine/snapshot_library.h"
#include "engine/snapshot_store.h"
#include "lazy/step.h"
#include "lazyllm/scheduler.h"

namespace lazyllm {

/// One thread owns all answers in work and makes every step; requests come in through a queue,
/// what is known about the work goes out as copies.
struct Scheduler::Implementation {
  Implementation(std::shared_ptr<const Model> owner, const SchedulerOptions& wanted);
  ~Implementation();

  std::unique_ptr<Answer> submit(AnswerRequest request);
  void drain(std::chrono::milliseconds limit);

  struct Waiting {
    std::unique_ptr<engine::AnswerTask> task;
    uint64_t bytes;
  };
  enum class Stage {
    begins,  // or waits for a like prompt under way, to share its prefill
    prefills,
    writes,   // a step is made; maybe waits until it is known which tokens may come next
    decodes,  // the next step is to be made
  };
  struct Slot {
    std::unique_ptr<engine::AnswerTask> task;  // null: free
    uint64_t bytes = 0;                        // reserved
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
  bool waits_for_reader(Slot& slot);
  void drop_cancelled(const Slot* except = nullptr);
  void between_tiles_of(const Slot& slot);
  bool must_stop() const;
  void decode();
  void write();
  void write_drafted();
  void prefill();
  void advance_prefill(Slot& slot);
  void share_prefill(Slot& from);
  void to_decode(Slot& slot);
  void finish(Slot& slot, FinishReason reason, std::optional<Error> error = std::nullopt);
  /// Ends the answer that failed, or was cancelled by throwing; the others go on.
  void finish_failed(Slot& slot, const std::exception_ptr& failure);
  /// A piece of work that nobody waits for: a snapshot written, or a tile of one deepened. False:
  /// there is none.
  bool use_idle_time();
  bool deepen();
  void drop_deepening();
  void forget_what_is_asked();
  /// Has something done by the working thread and waits for it. Errors: the errand's own,
  /// Error(overloaded) if it will not be done.
  void have_done(std::function<void()> errand);
  void do_errands();
  void check_slot(int slot) const;
  std::shared_ptr<const lazy::Snapshot> snapshot_of(std::span<const TokenId> conversation) const;
  SlotFile save_slot(size_t slot, const std::filesystem::path& path);
  SlotFile restore_slot(size_t slot, const std::filesystem::path& path);
  int64_t erase_slot(size_t slot);
  void publish();
  bool idle() const;
  /// All answers in work wait for the thread of constraints.
  bool waits_for_constraints() const;

  std::shared_ptr<const Model> model;
  const model::Transformer& transformer;
  SchedulerOptions options;
  lazy::CacheTypes cache_types;
  std::shared_ptr<engine::Bell> bell = std::make_shared<engine::Bell>();

  // Of the working thread alone.
  lazy::Stepper stepper, editing_stepper;
  lazy::TokenMover mover;
  engine::SnapshotCache snapshots;
  engine::SnapshotDeepener deepener;
  std::optional<engine::SnapshotStore> snapshot_store;
  std::optional<engine::SnapshotLibrary> snapshot_library;
  std::vector<Slot> slots;
  std::vector<std::vector<TokenId>> conversations;  // by slot: what its last answer left
  lazy::StepRun decode_run;
  std::vector<lazy::StepPart*> decode_parts;
  engine::ConstraintWorker constraints{bell};
  size_t next_prefill = 0;  // whose turn it is
  engine::SliceBudget slice;
  engine::StepCost step_cost;  // of the answers' steps
  PrefillRates rates;
  engine::Admission admission{0, 0};
  SchedulerMetrics counters;

  mutable std::mutex mutex;  // for what follows
  std::condition_variable ended;
  std::deque<Waiting> queue;
  std::vector<std::vector<TokenId>> to_forget;
  std::deque<std::packaged_task<void()>> errands;
  std::vector<SlotInfo> slot_infos;
  SchedulerMetrics published;
  int taken_slots = 0;  // by answers whose readers do not know of their end
  uint64_t refused = 0;
  bool stopping = false, draining = false;

  std::thread thread;
};

}  // namespace lazyllm
