// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/processor.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lazyllm::kernels::cpu {
namespace {

struct Family {
  Vendor vendor;
  int family;
};

// The families whose BF16 products are twice as fast as FMA, of those that have AVX-512 BF16. Not
// among them: Intel's family 6, where Sapphire and Emerald Rapids take longer for them than for
// FMA.
constexpr Family kFastBf16[] = {
    {Vendor::amd, 0x19},  // Zen 4
    {Vendor::amd, 0x1A},  // Zen 5: docs/lab/speed.md
};

#if defined(__x86_64__)
struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned part) {
  Registers r;
  __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d);
  return r;
}

Processor ask() {
  __builtin_cpu_init();
  Processor p;
  p.vendor = __builtin_cpu_is("amd")     ? Vendor::amd
             : __builtin_cpu_is("intel") ? Vendor::intel
                                         : Vendor::other;
  const unsigned version = cpuid(1, 0).a;
  p.family = static_cast<int>(version >> 8 & 0xF);
  p.model = static_cast<int>(version >> 4 & 0xF);
  if (p.family == 6 || p.family == 15) p.model += static_cast<int>(version >> 16 & 0xF) << 4;
  if (p.family == 15) p.family += static_cast<int>(version >> 20 & 0xFF);
  // Every processor with AVX2 has F16C.
  p.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
  // Leaf 7.1, EAX bit 4: GCC 12's __builtin_cpu_supports does not know AVX-VNNI.
  p.avx_vnni = p.avx2 && (cpuid(7, 1).a >> 4 & 1) != 0;
  p.avx512_vnni = p.avx2 && __builtin_cpu_supports("avx512f") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  p.avx512_bf16 = p.avx512_vnni && __builtin_cpu_supports("avx512bf16");
  return p;
}
#else
Processor ask() {
  return {};
}
#endif

}  // namespace

const Processor& this_processor() {
  static const Processor processor = ask();
  return processor;
}

bool prefers_bf16_products(const Processor& processor) {
  if (!processor.avx512_bf16) return false;
  for (const Family& fast : kFastBf16) {
    if (fast.vendor == processor.vendor && fast.family == processor.family) return true;
  }
  return false;
}

int64_t weight_prefetch_bytes(const Processor& processor) {
  return processor.vendor == Vendor::amd ? 4096 : 0;
}

int64_t block_activations(const Processor& processor) {
  return processor.vendor == Vendor::amd ? int64_t{3} << 20 : int64_t{448} << 10;
}

}  // namespace lazyllm::kernels::cpu
