// SPDX-License-Identifier: Apache-2.0
// Speed of the matrix product in GOP/s (a multiplication and an addition are two
// operations), the share of the integer peak of as many threads, measured just before, and
// for few rows the bandwidth at which packed weights are read.
//
//   lazyllm_matmul_benchmark --benchmark_filter='avx512-vnni/Q4_1.*threads:1'
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "kernels/cpu/matmul.h"
#include "kernels/cpu/packed_weight.h"
#include "kernels/cpu/random_weight.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lazyllm::kernels::cpu {
namespace {

struct Shape {
  int64_t rows;     // of activations
  int64_t columns;  // K
  int64_t outputs;
};

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vnni"))) int vnni_products(int64_t rounds) {
  __m512i sums[12];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  const __m512i a = _mm512_set1_epi8(3);
  __m512i b = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) sums[j] = _mm512_dpbusd_epi32(sums[j], a, b);
    asm volatile("" : "+v"(b));
  }
  __m512i all = sums[0];
  for (int j = 1; j < 12; ++j) all = _mm512_add_epi32(all, sums[j]);
  alignas(64) int values[16];
  _mm512_store_si512(values, all);
  return values[0];
}

__attribute__((target("avx2"))) int maddubs_products(int64_t rounds) {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  const __m256i a = _mm256_set1_epi8(3);
  __m256i b = _mm256_set1_epi8(1);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      sums[j] = _mm256_add_epi16(sums[j], _mm256_maddubs_epi16(a, b));
    }
    asm volatile("" : "+x"(b));
  }
  __m256i all = sums[0];
  for (int j = 1; j < 8; ++j) all = _mm256_add_epi16(all, sums[j]);
  return _mm256_extract_epi16(all, 0);
}
#endif

/// GOP/s of all threads running nothing but the ISA's integer product; 0: unknown.
double peak(Isa isa, ThreadPool& pool) {
  constexpr int64_t kRounds = 200000;
  double operations = 0.0;
  double best = 0.0;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
#if defined(__x86_64__)
    const auto run = [isa](int64_t, int) {
      benchmark::DoNotOptimize(isa == Isa::avx512_vnni ? vnni_products(kRounds)
                                                       : maddubs_products(kRounds));
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
  const MatmulTarget target{weight.get(), nullptr,
                            {out.data(), shape.rows, shape.outputs, shape.outputs}, false};
  const double peak_gops = peak(isa, pool);
  double best = 1e30;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    matmul(isa, pool, {in.data(), shape.rows, shape.columns, shape.columns}, {&target, 1});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count());
    state.SetIterationTime(seconds.count());
  }
  // The best time: other programs on the machine disturb the mean.
  const auto operations = 2.0 * static_cast<double>(shape.rows * shape.columns * shape.outputs);
  state.counters["GOP/s"] = operations / best * 1e-9;
  if (peak_gops > 0.0) state.counters["share_of_peak"] = operations / best * 1e-9 / peak_gops;
  state.counters["weight_GB/s"] = static_cast<double>(weight->bytes()) / best * 1e-9;
}

void add(Isa isa, StorageType type, Shape shape, int threads) {
  const std::string label = std::string(name(isa)) + "/" + std::string(traits(type).name) + "/" +
                            std::to_string(shape.rows) + "x" + std::to_string(shape.columns) +
                            "x" + std::to_string(shape.outputs) +
                            "/threads:" + std::to_string(threads);
  benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& state) {
    run(state, isa, type, shape, threads);
  })->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(0.3);
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
