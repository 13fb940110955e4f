// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/answer_channel.h"
#include "lazyllm/scheduler.h"

namespace lazyllm::engine {

/// Finds out which tokens may come next in answers with a constraint, on a thread of its own beside
/// the steps: what takes long there keeps nobody waiting but its own answer. Thread-safe.
class ConstraintWorker {
 public:
  /// One TokenConstraint::prepare(), to be done or done.
  class Preparation {
   public:
    explicit Preparation(std::shared_ptr<TokenConstraint> constraint)
        : constraint_(std::move(constraint)) {}
    /// Then the constraint belongs to the caller again.
    bool done() const { return done_.load(std::memory_order_acquire); }
    /// Once done: throws what prepare() threw.
    void rethrow_failure() const;

   private:
    friend class ConstraintWorker;
    std::shared_ptr<TokenConstraint> constraint_;
    std::exception_ptr failure_;
    std::atomic<bool> done_{false};
  };

  /// `bell` rings after each preparation. Errors: Error(overloaded) without room for a thread.
  explicit ConstraintWorker(std::shared_ptr<Bell> bell);
  /// Waits for the preparation under way; the others are dropped.
  ~ConstraintWorker();
  ConstraintWorker(const ConstraintWorker&) = delete;
  ConstraintWorker& operator=(const ConstraintWorker&) = delete;

  /// First come, first served. Until it is done nobody else may use the constraint; it stays alive
  /// even if the caller gives it up.
  std::shared_ptr<const Preparation> prepare(std::shared_ptr<TokenConstraint> constraint);

 private:
  void work();

  std::shared_ptr<Bell> bell_;
  std::mutex mutex_;
  std::condition_variable waits_;
  std::deque<std::shared_ptr<Preparation>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace lazyllm::engine
