// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"

namespace lazyllm {
namespace {

TEST(ThreadPool, RunsEveryIndexOnceWhateverTheThreadCount) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<std::atomic<int>> hits(static_cast<size_t>(round));
      pool.parallel_for(round, [&](int64_t i, int worker) {
        EXPECT_LT(worker, threads);
        hits[static_cast<size_t>(i)].fetch_add(1);
      });
      for (const auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
}

TEST(ThreadPool, WakesSleepersAndNestsSerially) {
  ThreadPool pool(3);
  std::atomic<int> sum{0};
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pool.parallel_for(10, [&](int64_t, int outer) {
      pool.parallel_for(10, [&](int64_t, int inner) {
        EXPECT_EQ(inner, outer);
        sum.fetch_add(1);
      });
    });
  }
  EXPECT_EQ(sum.load(), 300);
}

TEST(ThreadPool, ThrowsTheBodysExceptionAndStaysUsable) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.parallel_for(100,
                                 [](int64_t i, int) {
                                   if (i == 17) throw std::runtime_error("body");
                                 }),
               std::runtime_error);
  std::atomic<int> count{0};
  pool.parallel_for(100, [&](int64_t, int) { count.fetch_add(1); });
  EXPECT_EQ(count.load(), 100);
}

TEST(ThreadPool, SeveralCallersShareOnePool) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        pool.parallel_for(20, [&](int64_t, int) { count.fetch_add(1); });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(count.load(), 4 * 50 * 20);
}

TEST(ThreadPool, SaysHowManyThreadsTheSystemHasAndEndsTheOnesItStarted) {
  std::atomic<int> running{0};
  const auto failing_after = [&](int room) {
    return [&running, room, started = 0](std::function<void()> body) mutable {
      if (started++ == room) {
        throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
      }
      return std::thread([&running, body = std::move(body)] {
        running.fetch_add(1);
        body();
        running.fetch_sub(1);
      });
    };
  };
  for (const int room : {0, 1, 5}) {
    try {
      ThreadPool pool(64, failing_after(room));
      FAIL() << "a pool of 64 threads with room for " << room + 1;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::overloaded);
      EXPECT_THAT(error.what(), testing::HasSubstr("64 threads were asked for"));
      EXPECT_THAT(error.what(), testing::HasSubstr(fmt::format("at most {} with -t", room + 1)));
    }
    EXPECT_EQ(running.load(), 0);
  }
  ThreadPool pool(6, failing_after(5));  // as many as there is room for
  std::atomic<int> sum{0};
  pool.parallel_for(100, [&](int64_t i, int) { sum.fetch_add(static_cast<int>(i)); });
  EXPECT_EQ(sum.load(), 4950);
}

TEST(ThreadPool, AnyOtherErrorEndsTheStartedThreadsToo) {
  int started = 0;
  EXPECT_THROW(ThreadPool(8,
                          [&](std::function<void()> body) {
                            if (++started == 4) throw std::bad_alloc();
                            return std::thread(std::move(body));
                          }),
               std::bad_alloc);
}

}  // namespace
}  // namespace lazyllm
