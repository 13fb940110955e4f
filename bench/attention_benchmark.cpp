// SPDX-License-Identifier: Apache-2.0
// Attention of the CPU back end: GFLOP/s in prefill against the better peak of BF16 products and
// fused multiply-adds measured in the same run, and GB/s of keys and values in decoding.
//   LAZYLLM_BENCH_ISA=avx2 LAZYLLM_BENCH_THREADS=1 lazyllm_attention_benchmark
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/machine_limits.h"

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

double peak_flops() {
  static const double peak = [] {
    const MachineLimits limits = measure_machine_limits(backend().isa(), backend().threads());
    return 1e9 * std::max(limits.bf16_gflops, limits.fp32_gflops);
  }();
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
