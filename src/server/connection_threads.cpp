// SPDX-License-Identifier: Apache-2.0
#include "server/connection_threads.h"

namespace lazyllm::server {
namespace {
thread_local bool turning_away = false;
}

ConnectionThreads::ConnectionThreads(size_t limit) : limit_(limit) {
  threads_.emplace_back([this] { work(surplus_, true); });
}

bool ConnectionThreads::is_turning_away() {
  return turning_away;
}

void ConnectionThreads::enqueue(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (queue_.tasks.size() < idle_) {
    queue_.tasks.push_back(std::move(task));
    queue_.changed.notify_one();
  } else if (threads_.size() <= limit_) {
    queue_.tasks.push_back(std::move(task));
    threads_.emplace_back([this] { work(queue_, false); });
  } else {
    surplus_.tasks.push_back(std::move(task));
    surplus_.changed.notify_one();
  }
}

void ConnectionThreads::work(Queue& queue, bool turns_away) {
  turning_away = turns_away;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!turns_away) ++idle_;
    queue.changed.wait(lock, [&] { return stopping_ || !queue.tasks.empty(); });
    if (!turns_away) --idle_;
    if (queue.tasks.empty()) return;
    {
      const std::function<void()> task = std::move(queue.tasks.front());
      queue.tasks.pop_front();
      lock.unlock();
      task();
    }
    lock.lock();
  }
}

void ConnectionThreads::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  queue_.changed.notify_all();
  surplus_.changed.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace lazyllm::server
