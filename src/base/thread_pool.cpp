// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/error.h"

namespace lazyllm {
namespace {

// Long enough to bridge the serial stretches between two ops of a layer,
// short enough that an idle session does not burn a core.
constexpr int kSpinIterations = 20000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

thread_local bool inside_loop = false;
thread_local int current_worker = 0;

}  // namespace

struct ThreadPool::State {
  std::mutex call_mutex;  // one parallel_for at a time

  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};  // rises by one with every loop
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};

  const std::function<void(int64_t, int)>* body = nullptr;
  int64_t count = 0;
  std::atomic<int64_t> next{0};
  std::atomic<int> busy{0};  // workers that have not finished the current loop

  std::mutex error_mutex;
  std::exception_ptr error;

  std::vector<std::thread> workers;
};

std::thread ThreadPool::start_worker(std::function<void()> body) {
  return std::thread(std::move(body));
}

ThreadPool::ThreadPool(int threads, const WorkerStarter& start)
    : threads_(threads < 1 ? 1 : threads), state_(std::make_unique<State>()) {
  std::vector<std::thread>& workers = state_->workers;
  try {
    workers.reserve(static_cast<size_t>(threads_) - 1);
    for (int worker = 1; worker < threads_; ++worker) {
      workers.push_back(start([this, worker] { work(worker); }));
    }
  } catch (const std::system_error& error) {
    const size_t possible = workers.size() + 1;  // the calling thread is one
    stop_workers();
    fail(ErrorCode::overloaded,
         "{} threads were asked for, but the system lets this program have only {} ({}). Ask for "
         "at most {} with -t, or raise the limit of processes (ulimit -u; of a container, its own)",
         threads_, possible, error.code().message(), possible);
  } catch (...) {
    stop_workers();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop_workers();
}

void ThreadPool::stop_workers() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
    state_->generation.fetch_add(1);
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadPool::run_items(int worker) {
  State& s = *state_;
  inside_loop = true;
  current_worker = worker;
  for (;;) {
    const int64_t index = s.next.fetch_add(1, std::memory_order_relaxed);
    if (index >= s.count) break;
    try {
      (*s.body)(index, worker);
    } catch (...) {
      const std::lock_guard lock(s.error_mutex);
      if (!s.error) s.error = std::current_exception();
      s.next.store(s.count, std::memory_order_relaxed);
    }
  }
  inside_loop = false;
}

void ThreadPool::work(int worker) {
  State& s = *state_;
  uint64_t seen = 0;
  for (;;) {
    int spins = 0;
    while (s.generation.load(std::memory_order_acquire) == seen && ++spins < kSpinIterations)
      relax();
    if (s.generation.load(std::memory_order_acquire) == seen) {
      std::unique_lock lock(s.mutex);
      s.sleepers.fetch_add(1);
      s.wake.wait(lock, [&] { return s.generation.load() != seen; });
      s.sleepers.fetch_sub(1);
    }
    seen = s.generation.load(std::memory_order_acquire);
    if (s.stop) return;
    run_items(worker);
    s.busy.fetch_sub(1, std::memory_order_release);
  }
}

void ThreadPool::parallel_for(int64_t count, const std::function<void(int64_t, int)>& body) {
  if (count <= 0) return;
  if (inside_loop) {
    for (int64_t i = 0; i < count; ++i) body(i, current_worker);
    return;
  }
  State& s = *state_;
  const std::lock_guard call(s.call_mutex);
  s.body = &body;
  s.count = count;
  s.next.store(0, std::memory_order_relaxed);
  const bool shared = threads_ > 1 && count > 1;
  if (shared) {
    s.busy.store(threads_ - 1, std::memory_order_relaxed);
    bool notify = false;
    {
      // The lock orders the change against a worker that is about to sleep.
      const std::lock_guard lock(s.mutex);
      s.generation.fetch_add(1, std::memory_order_release);
      notify = s.sleepers.load() > 0;
    }
    if (notify) s.wake.notify_all();
  }
  run_items(0);
  if (shared) {
    int spins = 0;
    while (s.busy.load(std::memory_order_acquire) != 0) {
      if (++spins < kSpinIterations)
        relax();
      else
        std::this_thread::yield();
    }
  }
  if (s.error) {
    std::exception_ptr error;
    error.swap(s.error);
    std::rethrow_exception(error);
  }
}

}  // namespace lazyllm
