// SPDX-License-Identifier: Apache-2.0
#include "kernels/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/peak_loops.h"

namespace lazyllm::kernels {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Giga operations per second; the best of some tries, since other programs only disturb.
double measure(const cpu::PeakLoop& loop, ThreadPool& pool) {
  if (loop.run == nullptr) return 0.0;
  constexpr int64_t kRounds = 500'000;
  double best = 0.0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const auto start = Clock::now();
    pool.parallel_for(pool.threads(), [&](int64_t, int) { loop.run(kRounds); });
    best = std::max(best, loop.operations * kRounds * pool.threads() / seconds_since(start));
  }
  return best * 1e-9;
}

double measure_read(ThreadPool& pool) {
  constexpr int64_t kWords = int64_t{32} << 20;  // 256 MiB, above the caches of one processor
  constexpr int64_t kPart = int64_t{1} << 17;
  const std::vector<uint64_t> memory(static_cast<size_t>(kWords), 1);
  std::vector<uint64_t> sums(static_cast<size_t>(kWords / kPart));
  double best = 0.0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto start = Clock::now();
    pool.parallel_for(kWords / kPart, [&](int64_t part, int) {
      uint64_t sum[4] = {};
      const uint64_t* const from = memory.data() + part * kPart;
      for (int64_t i = 0; i < kPart; i += 4) {
        for (int j = 0; j < 4; ++j) sum[j] += from[i + j];
      }
      sums[static_cast<size_t>(part)] = sum[0] + sum[1] + sum[2] + sum[3];
    });
    best = std::max(best, static_cast<double>(kWords) * 8 / seconds_since(start));
  }
  return best * 1e-9;
}

}  // namespace

MachineLimits measure_machine_limits(std::string_view isa_name, int threads) {
  const auto backend = create_cpu_backend(isa_name, threads);
  const cpu::Isa isa = cpu::choose_isa(backend->isa());
  ThreadPool pool(backend->threads());
  MachineLimits limits;
  limits.int8_gops = measure(cpu::int8_loop(isa), pool);
  limits.bf16_gflops = measure(cpu::bf16_loop(isa), pool);
  limits.fp32_gflops = measure(cpu::float_loop(isa), pool);
  limits.read_gigabytes = measure_read(pool);
  return limits;
}

}  // namespace lazyllm::kernels
