// SPDX-License-Identifier: Apache-2.0
// Speed of the matrix product in GOP/s (a multiplication and an addition are two
// operations), the share of the integer peak of as many threads, measured just before, and
// for few rows the bandwidth at which packed weights are read.
//
//   lazyllm_matmul_benchmark --benchmark_filter='avx512-vnni/Q4_1.*threads:1'
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "kernels/cpu/matmul.h"
#include "kernels/cpu/packed_weight.h"
#include "kernels/cpu/random_weight.h"
#include "kernels/machine_limits.h"

namespace lazyllm::kernels::cpu {
namespace {

struct Shape {
  int64_t rows;     // of activations
  int64_t columns;  // K
  int64_t outputs;
};

/// With one thread the thread's own time, so that what other programs take does not count.
double seconds_now(int threads) {
  timespec time;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// GOP/s of the ISA's integer product on so many threads, measured once.
double peak(Isa isa, int threads) {
  static std::map<std::pair<Isa, int>, double> known;
  const auto [found, fresh] = known.try_emplace({isa, threads}, 0.0);
  if (fresh) found->second = measure_machine_limits(name(isa), threads).int8_gops;
  return found->second;
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
  const double peak_gops = peak(isa, threads);
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
  // More than the caches hold: what decoding and small revivals meet.
  constexpr Shape kMemory[] = {{1, 2048, 98304}, {2, 2048, 98304},  {5, 2048, 98304},
                               {9, 2048, 98304}, {18, 2048, 98304}, {24, 2048, 98304},
                               {36, 2048, 98304}};
  for (const Isa isa : detect_isas()) {
    for (const int threads : {1, 2}) {
      for (const StorageType type :
           {StorageType::q4_1, StorageType::q4_k, StorageType::q6_k, StorageType::q8_0}) {
        for (const Shape& shape : kMemory) add(isa, type, shape, threads);
      }
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
