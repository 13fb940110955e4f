// SPDX-License-Identifier: Apache-2.0
// The loops are assembly so that nothing but the products runs; twelve (AVX2: eight) sums
// hide the latency of one.
#include "kernels/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"

namespace lazyllm::kernels {
namespace {

using cpu::Isa;
using Clock = std::chrono::steady_clock;

/// One kind of product: operations of a round, and the loop over rounds.
struct Loop {
  double operations = 0.0;
  void (*run)(int64_t rounds) = nullptr;
};

#if defined(__x86_64__)

// clang-format off
#define LAZYLLM_TWELVE(instruction, a, b, sum)                                       \
  instruction " " a ", " b ", " sum "0\n"  instruction " " a ", " b ", " sum "1\n"   \
  instruction " " a ", " b ", " sum "2\n"  instruction " " a ", " b ", " sum "3\n"   \
  instruction " " a ", " b ", " sum "4\n"  instruction " " a ", " b ", " sum "5\n"   \
  instruction " " a ", " b ", " sum "6\n"  instruction " " a ", " b ", " sum "7\n"   \
  instruction " " a ", " b ", " sum "8\n"  instruction " " a ", " b ", " sum "9\n"   \
  instruction " " a ", " b ", " sum "10\n" instruction " " a ", " b ", " sum "11\n"
#define LAZYLLM_SUMS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
                     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"
// clang-format on

// vzeroall: sums and factors of 0, so that no float becomes denormal or NaN.
#define LAZYLLM_PEAK_LOOP(name, target_isa, instruction, vector)                                  \
  __attribute__((target(target_isa))) void name(int64_t rounds) {                                 \
    asm volatile("vzeroall\n1:\n" LAZYLLM_TWELVE(instruction, "%%" vector "12", "%%" vector "13", \
                                                 "%%" vector) "dec %0\n jnz 1b\n vzeroupper\n"    \
                 : "+r"(rounds)::"cc", LAZYLLM_SUMS, "xmm14", "xmm15");                           \
  }

LAZYLLM_PEAK_LOOP(int8_products_avx512, "avx512f,avx512vnni", "vpdpbusd", "zmm")
LAZYLLM_PEAK_LOOP(bf16_products_avx512, "avx512f,avx512bf16", "vdpbf16ps", "zmm")
LAZYLLM_PEAK_LOOP(float_products_avx512, "avx512f", "vfmadd231ps", "zmm")
LAZYLLM_PEAK_LOOP(float_products_avx2, "avx2,fma", "vfmadd231ps", "ymm")

// Pairs of 8-bit products added in 16 bits, as the AVX2 kernels do it.
__attribute__((target("avx2"))) void int8_products_avx2(int64_t rounds) {
  asm volatile(
      "vzeroall\n1:\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n vpaddw %%ymm8, %%ymm0, %%ymm0\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n vpaddw %%ymm9, %%ymm1, %%ymm1\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm10\n vpaddw %%ymm10, %%ymm2, %%ymm2\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm11\n vpaddw %%ymm11, %%ymm3, %%ymm3\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm12\n vpaddw %%ymm12, %%ymm4, %%ymm4\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm13\n vpaddw %%ymm13, %%ymm5, %%ymm5\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n vpaddw %%ymm8, %%ymm6, %%ymm6\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n vpaddw %%ymm9, %%ymm7, %%ymm7\n"
      "dec %0\n jnz 1b\n vzeroupper\n"
      : "+r"(rounds)::"cc", LAZYLLM_SUMS, "xmm14", "xmm15");
}

Loop int8_loop(Isa isa) {
  if (isa == Isa::avx512_vnni) return {12 * 128, int8_products_avx512};
  if (isa == Isa::avx2) return {8 * 64, int8_products_avx2};
  return {};
}

Loop bf16_loop(Isa isa) {
  if (isa == Isa::avx512_vnni && __builtin_cpu_supports("avx512bf16")) {
    return {12 * 64, bf16_products_avx512};
  }
  return {};
}

Loop float_loop(Isa isa) {
  if (isa == Isa::avx512_vnni) return {12 * 32, float_products_avx512};
  if (isa == Isa::avx2) return {12 * 16, float_products_avx2};
  return {};
}

#else

Loop int8_loop(Isa) {
  return {};
}
Loop bf16_loop(Isa) {
  return {};
}
Loop float_loop(Isa) {
  return {};
}

#endif

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Giga operations per second; the best of some tries, since other programs only disturb.
double measure(const Loop& loop, ThreadPool& pool) {
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
  const Isa isa = cpu::choose_isa(backend->isa());
  ThreadPool pool(backend->threads());
  MachineLimits limits;
  limits.int8_gops = measure(int8_loop(isa), pool);
  limits.bf16_gflops = measure(bf16_loop(isa), pool);
  limits.fp32_gflops = measure(float_loop(isa), pool);
  limits.read_gigabytes = measure_read(pool);
  return limits;
}

}  // namespace lazyllm::kernels
