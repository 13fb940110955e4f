// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

namespace lazyllm {

/// A fixed set of worker threads for data-parallel loops. The calling thread is
/// one of them. Idle workers spin for some microseconds, then sleep.
/// One loop at a time: calls from several threads are served one after another.
class ThreadPool {
 public:
  using WorkerStarter = std::function<std::thread(std::function<void()> body)>;
  static std::thread start_worker(std::function<void()> body);

  /// `threads` >= 1, the calling thread included. `start` is another than start_worker in tests.
  /// Errors: Error(overloaded) when the system has not so many threads left, saying how many it
  /// has; those already started have ended then.
  explicit ThreadPool(int threads, const WorkerStarter& start = start_worker);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// Calls body(index, worker) once for each index in [0, count), handing indices
  /// out in rising order to whichever worker is free; worker is in [0, threads()).
  /// Returns when all are done. The first exception of a body is thrown again here.
  /// A loop started from inside a body runs serially on that worker.
  void parallel_for(int64_t count, const std::function<void(int64_t index, int worker)>& body);

 private:
  struct State;
  void work(int worker);
  void stop_workers();
  void run_items(int worker);

  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace lazyllm
