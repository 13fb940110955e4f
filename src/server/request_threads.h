// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lazyllm::server {

/// Threads for requests that are being answered: started when needed and kept, up to a limit.
/// Connections without such a request hold none.
class RequestThreads {
 public:
  explicit RequestThreads(size_t limit) : limit_(limit) {}
  ~RequestThreads() { join(); }

  /// Runs the task on a thread that is free or new. False, at once, if there is none: all are
  /// taken, or the system gives no more. The task must not throw.
  bool try_run(std::function<void()> task);
  /// Runs what was taken on to its end; nothing may come after.
  void join();

 private:
  void work();

  size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lazyllm::server
