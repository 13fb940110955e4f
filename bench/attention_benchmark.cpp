// SPDX-License-Identifier: Apache-2.0
// Attention of the CPU back end: GFLOP/s in prefill against the peak of fused
// multiply-adds measured in the same run, and GB/s of keys and values in decoding.
//   LAZYLLM_BENCH_ISA=avx2 LAZYLLM_BENCH_THREADS=1 lazyllm_attention_benchmark
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"

namespace lazyllm::kernels {
namespace {

std::string wanted_isa() {
  const char* text = std::getenv("LAZYLLM_BENCH_ISA");
  return text == nullptr ? "" : text;
}

const Backend& backend() {
  static const auto instance = [] {
    const char* threads = std::getenv("LAZYLLM_BENCH_THREADS");
    return create_cpu_backend(wanted_isa(), threads == nullptr ? 0 : std::atoi(threads));
  }();
  return *instance;
}

#if defined(__x86_64__)
// Written as assembly so that nothing but multiply-adds runs: 12 sums hide the latency.
__attribute__((target("avx512f"))) void peak_16(int64_t rounds) {
  asm volatile(
      "vpxor %%xmm0, %%xmm0, %%xmm0\n"
      "vpxor %%xmm1, %%xmm1, %%xmm1\n"
      "vpxor %%xmm2, %%xmm2, %%xmm2\n"
      "vpxor %%xmm3, %%xmm3, %%xmm3\n"
      "vpxor %%xmm4, %%xmm4, %%xmm4\n"
      "vpxor %%xmm5, %%xmm5, %%xmm5\n"
      "vpxor %%xmm6, %%xmm6, %%xmm6\n"
      "vpxor %%xmm7, %%xmm7, %%xmm7\n"
      "vpxor %%xmm8, %%xmm8, %%xmm8\n"
      "vpxor %%xmm9, %%xmm9, %%xmm9\n"
      "vpxor %%xmm10, %%xmm10, %%xmm10\n"
      "vpxor %%xmm11, %%xmm11, %%xmm11\n"
      "vpxor %%xmm12, %%xmm12, %%xmm12\n"
      "vpxor %%xmm13, %%xmm13, %%xmm13\n"
      "1:\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm0\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm1\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm2\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm3\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm4\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm5\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm6\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm7\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm8\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm9\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm10\n"
      "vfmadd231ps %%zmm12, %%zmm13, %%zmm11\n"
      "dec %0\n jnz 1b\n"
      : "+r"(rounds)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");
}

__attribute__((target("avx2,fma"))) void peak_8(int64_t rounds) {
  asm volatile(
      "vpxor %%xmm0, %%xmm0, %%xmm0\n"
      "vpxor %%xmm1, %%xmm1, %%xmm1\n"
      "vpxor %%xmm2, %%xmm2, %%xmm2\n"
      "vpxor %%xmm3, %%xmm3, %%xmm3\n"
      "vpxor %%xmm4, %%xmm4, %%xmm4\n"
      "vpxor %%xmm5, %%xmm5, %%xmm5\n"
      "vpxor %%xmm6, %%xmm6, %%xmm6\n"
      "vpxor %%xmm7, %%xmm7, %%xmm7\n"
      "vpxor %%xmm8, %%xmm8, %%xmm8\n"
      "vpxor %%xmm9, %%xmm9, %%xmm9\n"
      "vpxor %%xmm10, %%xmm10, %%xmm10\n"
      "vpxor %%xmm11, %%xmm11, %%xmm11\n"
      "vpxor %%xmm12, %%xmm12, %%xmm12\n"
      "vpxor %%xmm13, %%xmm13, %%xmm13\n"
      "1:\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm0\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm1\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm2\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm3\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm4\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm5\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm6\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm7\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm8\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm9\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm10\n"
      "vfmadd231ps %%ymm12, %%ymm13, %%ymm11\n"
      "dec %0\n jnz 1b\n"
      : "+r"(rounds)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");
}
#endif

void (*peak_loop(int& width))(int64_t) {
#if defined(__x86_64__)
  if (backend().isa() == "avx512-vnni") {
    width = 16;
    return peak_16;
  }
  if (backend().isa() == "avx2") {
    width = 8;
    return peak_8;
  }
#endif
  width = 0;
  return nullptr;
}

double measure_peak_flops() {
  int width = 0;
  const auto loop = peak_loop(width);
  if (loop == nullptr) return 0;
  const int threads = backend().threads();
  ThreadPool pool(threads);
  constexpr int64_t kRounds = 1'000'000;
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    pool.parallel_for(threads, [&](int64_t, int) { loop(kRounds); });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * 12 * width * kRounds * threads / seconds.count());
  }
  return best;
}

double peak_flops() {
  static const double peak = measure_peak_flops();
  return peak;
}

struct Setup {
  Setup(int query_heads, int kv_heads, int head_dim, int64_t keys, int64_t query_rows,
        CacheType type)
      : heads(query_heads), rows(query_rows), layout{kv_heads, head_dim, type, type} {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& values, int64_t count) {
      values.resize(static_cast<size_t>(count));
      for (float& x : values) x = normal(random);
    };
    const int64_t columns = int64_t{kv_heads} * head_dim;
    std::vector<float> k, v;
    fill(k, keys * columns);
    fill(v, keys * columns);
    fill(queries, rows * heads * head_dim);
    out.resize(queries.size());
    for (int64_t i = 0; i < (keys + 63) / 64; ++i) {
      memory.push_back(backend().allocate(layout.block_bytes()));
      blocks.push_back(static_cast<std::byte*>(memory.back().data()));
    }
    for (int64_t i = 0; i < keys; ++i) slots.push_back(static_cast<int32_t>(i));
    backend().append_kv({layout, blocks}, slots, {k.data(), keys, columns, columns},
                        {v.data(), keys, columns, columns});
    first.assign(static_cast<size_t>(rows), 0);
    for (int64_t r = 0; r < rows; ++r) end.push_back(static_cast<int32_t>(keys - rows + r + 1));
  }

  AttentionInput input() const {
    const int64_t columns = int64_t{heads} * layout.head_dim;
    AttentionInput in;
    in.queries = {queries.data(), rows, columns, columns};
    in.heads = heads;
    in.first_key = first;
    in.end_key = end;
    in.cache = {layout, blocks};
    in.key_slots = slots;
    in.scale = 1.0f / std::sqrt(static_cast<float>(layout.head_dim));
    return in;
  }

  int heads;
  int64_t rows;
  KvLayout layout;
  std::vector<float> queries, out;
  std::vector<Buffer> memory;
  std::vector<std::byte*> blocks;
  std::vector<int32_t> slots, first, end;
};

// Arguments: heads, kv heads, head_dim, tokens.
void prefill(benchmark::State& state) {
  const auto arg = [&](int i) { return static_cast<int>(state.range(i)); };
  Setup setup(arg(0), arg(1), arg(2), arg(3), arg(3), CacheType::f16);
  const AttentionInput in = setup.input();
  const int64_t columns = int64_t{arg(0)} * arg(2);
  for (auto _ : state) {
    backend().attention(in, {setup.out.data(), setup.rows, columns, columns});
  }
  const double pairs = 0.5 * arg(3) * (arg(3) + 1.0);  // causal
  const double flop = 4.0 * pairs * static_cast<double>(columns);
  using benchmark::Counter;
  const double rate = flop * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = Counter(rate / 1e9, Counter::kIsRate);
  if (peak_flops() > 0) {
    state.counters["share"] = Counter(rate / peak_flops(), Counter::kIsRate);
    state.counters["peak_GFLOP/s"] = Counter(peak_flops() / 1e9);
  }
}
BENCHMARK(prefill)
    ->ArgNames({"heads", "kv", "dim", "n"})
    ->Args({9, 3, 64, 512})
    ->Args({9, 3, 64, 4096})
    ->Args({32, 4, 64, 512})
    ->Args({32, 4, 64, 4096})
    ->Args({4, 1, 256, 512})
    ->Args({4, 1, 256, 4096})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// Arguments: heads, kv heads, head_dim, depth, cache type.
void decode(benchmark::State& state) {
  const auto arg = [&](int i) { return static_cast<int>(state.range(i)); };
  Setup setup(arg(0), arg(1), arg(2), arg(3), 1, static_cast<CacheType>(arg(4)));
  const AttentionInput in = setup.input();
  const int64_t columns = int64_t{arg(0)} * arg(2);
  for (auto _ : state) {
    backend().attention(in, {setup.out.data(), setup.rows, columns, columns});
  }
  const size_t row = setup.layout.k_row_bytes() + setup.layout.v_row_bytes();
  state.SetBytesProcessed(state.iterations() * int64_t{arg(1)} * arg(3) *
                          static_cast<int64_t>(row));
}
BENCHMARK(decode)
    ->ArgNames({"heads", "kv", "dim", "depth", "cache"})
    ->Args({9, 3, 64, 4096, 0})
    ->Args({9, 3, 64, 4096, 1})
    ->Args({9, 3, 64, 4096, 2})
    ->Args({32, 4, 64, 4096, 0})
    ->Args({4, 1, 256, 4096, 0})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace lazyllm::kernels

BENCHMARK_MAIN();
