// SPDX-License-Identifier: Apache-2.0
#include "engine/constraint_worker.h"

#include "base/start_thread.h"

namespace lazyllm::engine {

void ConstraintWorker::Preparation::rethrow_failure() const {
  if (failure_) std::rethrow_exception(failure_);
}

ConstraintWorker::ConstraintWorker(std::shared_ptr<Bell> bell)
    : bell_(std::move(bell)),
      thread_(start_thread("the thread of constraints", [this] { work(); })) {}

ConstraintWorker::~ConstraintWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  waits_.notify_all();
  thread_.join();
}

std::shared_ptr<const ConstraintWorker::Preparation> ConstraintWorker::prepare(
    std::shared_ptr<TokenConstraint> constraint) {
  auto preparation = std::make_shared<Preparation>(std::move(constraint));
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(preparation);
  }
  waits_.notify_one();
  return preparation;
}

void ConstraintWorker::work() {
  while (true) {
    std::shared_ptr<Preparation> next;
    {
      std::unique_lock lock(mutex_);
      waits_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      next->constraint_->prepare();
    } catch (...) {
      next->failure_ = std::current_exception();
    }
    next->done_.store(true, std::memory_order_release);
    bell_->ring();
  }
}

}  // namespace lazyllm::engine
