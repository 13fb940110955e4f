// SPDX-License-Identifier: Apache-2.0
#include "server/request_threads.h"

#include <system_error>

namespace lazyllm::server {

bool RequestThreads::try_run(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  if (tasks_.size() >= idle_) {
    if (threads_.size() >= limit_) return false;
    try {
      threads_.emplace_back([this] { work(); });
      ++idle_;  // it is about to be
    } catch (const std::system_error&) {
      return false;  // no more threads for this user: as if all were taken
    }
  }
  tasks_.push_back(std::move(task));
  changed_.notify_one();
  return true;
}

void RequestThreads::work() {
  std::unique_lock lock(mutex_);
  for (bool counted = true;; counted = false) {
    if (!counted) ++idle_;
    changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    lock.lock();
  }
}

void RequestThreads::join() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace lazyllm::server
