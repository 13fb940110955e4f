// SPDX-License-Identifier: Apache-2.0
// Speed of the matrix product in GOP/s (a multiplication and an addition are two
// operations), the share of the integer peak of as many threads, measured just before, and
// for few rows the bandwidth at which packed weights are read.
//
//   lazyllm_matmul_benchmark --benchmark_filter='avx512-vnni/Q4_1.*threads:1'
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "kernels/cpu/matmul.h"
#include "kernels/cpu/packed_weight.h"
#include "kernels/cpu/random_weight.h"

namespace lazyllm::kernels::cpu {
namespace {

struct Shape {
  int64_t rows;     // of activations
  int64_t columns;  // K
  int64_t outputs;
};

#if defined(__x86_64__)
// Written as assembly so that nothing but the products runs.
__attribute__((target("avx512f,avx512vnni"))) void vnni_products(int64_t rounds) {
  for (int64_t i = 0; i < rounds; ++i) {
    asm volatile(
        "vpdpbusd %%zmm30, %%zmm31, %%zmm0\n vpdpbusd %%zmm30, %%zmm31, %%zmm1\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm2\n vpdpbusd %%zmm30, %%zmm31, %%zmm3\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm4\n vpdpbusd %%zmm30, %%zmm31, %%zmm5\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm6\n vpdpbusd %%zmm30, %%zmm31, %%zmm7\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm8\n vpdpbusd %%zmm30, %%zmm31, %%zmm9\n"
        "vpdpbusd %%zmm30, %%zmm31, %%zmm10\n vpdpbusd %%zmm30, %%zmm31, %%zmm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
              "xmm10", "xmm11", "xmm30", "xmm31");
  }
}

__attribute__((target("avx2"))) void maddubs_products(int64_t rounds) {
  for (int64_t i = 0; i < rounds; ++i) {
    asm volatile(
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n vpaddw %%ymm8, %%ymm0, %%ymm0\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n vpaddw %%ymm9, %%ymm1, %%ymm1\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm10\n vpaddw %%ymm10, %%ymm2, %%ymm2\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm11\n vpaddw %%ymm11, %%ymm3, %%ymm3\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm12\n vpaddw %%ymm12, %%ymm4, %%ymm4\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm13\n vpaddw %%ymm13, %%ymm5, %%ymm5\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n vpaddw %%ymm8, %%ymm6, %%ymm6\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n vpaddw %%ymm9, %%ymm7, %%ymm7\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
              "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
  }
}
#endif

/// With one thread the thread's own time, so that what other programs take does not count.
double seconds_now(int threads) {
  timespec time;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// GOP/s of all threads running nothing but the ISA's integer product; 0: unknown.
double peak(Isa isa, ThreadPool& pool) {
  constexpr int64_t kRounds = 200000;
  double operations = 0.0;
  double best = 0.0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
#if defined(__x86_64__)
    const auto run = [isa](int64_t, int) {
      isa == Isa::avx512_vnni ? vnni_products(kRounds) : maddubs_products(kRounds);
    };
    if (isa == Isa::generic) return 0.0;
    operations = static_cast<double>(kRounds) * (isa == Isa::avx512_vnni ? 12 * 128 : 8 * 64);
    pool.parallel_for(pool.threads(), run);
#endif
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, operations * pool.threads() / seconds.count() * 1e-9);
  }
  return best;
}

void run(benchmark::State& state, Isa isa, StorageType type, Shape shape, int threads) {
  ThreadPool pool(threads);
  const RandomWeight random(type, shape.outputs, shape.columns, 1);
  const WeightSource source = random.source();
  const auto weight = pack_weight({&source, 1}, false, pool);
  std::vector<float> in(static_cast<size_t>(shape.rows * shape.columns));
  std::mt19937 engine(2);
  std::normal_distribution<float> normal;
  for (float& value : in) value = normal(engine);
  std::vector<float> out(static_cast<size_t>(shape.rows * shape.outputs));
  const MatmulTarget target{
      weight.get(), nullptr, {out.data(), shape.rows, shape.outputs, shape.outputs}, false};
  const double peak_gops = peak(isa, pool);
  double best = 1e30;
  for (auto _ : state) {
    const double start = seconds_now(threads);
    matmul(isa, pool, {in.data(), shape.rows, shape.columns, shape.columns}, {&target, 1});
    const double seconds = seconds_now(threads) - start;
    best = std::min(best, seconds);
    state.SetIterationTime(seconds);
  }
  // The best time: other programs on the machine disturb the mean.
  const auto operations = 2.0 * static_cast<double>(shape.rows * shape.columns * shape.outputs);
  state.counters["GOP/s"] = operations / best * 1e-9;
  if (peak_gops > 0.0) state.counters["share_of_peak"] = operations / best * 1e-9 / peak_gops;
  state.counters["weight_GB/s"] = static_cast<double>(weight->bytes()) / best * 1e-9;
}

void add(Isa isa, StorageType type, Shape shape, int threads) {
  const std::string label = std::string(name(isa)) + "/" + std::string(traits(type).name) + "/" +
                            std::to_string(shape.rows) + "x" + std::to_string(shape.columns) + "x" +
                            std::to_string(shape.outputs) + "/threads:" + std::to_string(threads);
  benchmark::RegisterBenchmark(
      label.c_str(), [=](benchmark::State& state) { run(state, isa, type, shape, threads); })
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.3);
}

void add_all() {
  constexpr Shape kSmall[] = {
      {512, 576, 576}, {512, 576, 192}, {512, 576, 1536}, {512, 1536, 576}, {1, 576, 1536}};
  constexpr Shape kLarge[] = {{512, 2048, 5632}, {512, 5632, 2048}, {64, 2048, 5632},
                              {1, 2048, 5632},   {4, 2048, 5632},   {6, 2048, 5632}};
  for (const Isa isa : detect_isas()) {
    for (const int threads : {1, 2}) {
      for (const StorageType type : {StorageType::q4_1, StorageType::q8_0}) {
        for (const Shape& shape : kSmall) add(isa, type, shape, threads);
      }
      for (const StorageType type : kAllStorageTypes) {
        for (const Shape& shape : kLarge) add(isa, type, shape, threads);
      }
    }
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu

int main(int argc, char** argv) {
  lazyllm::kernels::cpu::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
