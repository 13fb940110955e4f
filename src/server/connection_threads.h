// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lazyllm::server {

/// One thread for each connection, started when needed and kept, up to a limit. One thread more
/// turns away who comes then, so that nobody waits for an answer to learn that there is none.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(size_t limit);

  void enqueue(std::function<void()> task) override;
  /// Runs what is queued and joins the threads.
  void shutdown() override;

  /// True in the thread that turns away.
  static bool is_turning_away();

 private:
  struct Queue {
    std::deque<std::function<void()>> tasks;
    std::condition_variable changed;
  };

  void work(Queue& queue, bool turns_away);

  size_t limit_;
  std::mutex mutex_;
  Queue queue_, surplus_;
  size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lazyllm::server
