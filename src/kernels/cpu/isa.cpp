// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/isa.h"

#include <string>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"
#include "kernels/cpu/peak_loops.h"

namespace lazyllm::kernels::cpu {

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx_vnni:
      return "avx-vnni";
    case Isa::avx512_vnni:
      return "avx512-vnni";
    case Isa::avx512_bf16:
      return "avx512-bf16";
    case Isa::generic:
      break;
  }
  return "generic";
}

namespace {

#if defined(__x86_64__)
// AVX-VNNI's bit, which GCC 12's __builtin_cpu_supports does not know: leaf 7.1, EAX bit 4.
bool has_avx_vnni_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> isas;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    isas.push_back(Isa::avx512_vnni);
    if (__builtin_cpu_supports("avx512bf16")) {
      isas.insert(bf16_products_pay() ? isas.begin() : isas.end(), Isa::avx512_bf16);
    }
  }
  if (avx2 && has_avx_vnni_instructions()) isas.push_back(Isa::avx_vnni);
  if (avx2) isas.push_back(Isa::avx2);  // every processor with AVX2 has F16C
#endif
  isas.push_back(Isa::generic);
  return isas;
}

bool is_amd() {
#if defined(__x86_64__)
  static const bool amd = __builtin_cpu_is("amd");
  return amd;
#else
  return false;
#endif
}

}  // namespace

const std::vector<Isa>& detect_isas() {
  static const std::vector<Isa> isas = detect();
  return isas;
}

int64_t weight_prefetch_bytes() {
  return is_amd() ? 4096 : 0;
}

int64_t block_activations() {
  return is_amd() ? int64_t{3} << 20 : int64_t{448} << 10;
}

Isa choose_isa(std::string_view wanted) {
  const std::vector<Isa>& isas = detect_isas();
  if (wanted.empty()) return isas.front();
  std::string list;
  for (const Isa isa : isas) {
    if (name(isa) == wanted) return isa;
    if (!list.empty()) list += ", ";
    list += name(isa);
  }
  fail(ErrorCode::usage, "--isa {}: this machine has {}; name one of these or leave the flag out",
       wanted, list);
}

}  // namespace lazyllm::kernels::cpu
