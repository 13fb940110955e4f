// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/isa.h"

#include <string>

#include "base/error.h"

namespace lazyllm::kernels::cpu {

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512_vnni:
      return "avx512-vnni";
    case Isa::generic:
      break;
  }
  return "generic";
}

std::vector<Isa> detect_isas() {
  std::vector<Isa> isas;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    isas.push_back(Isa::avx512_vnni);
  }
  if (avx2) isas.push_back(Isa::avx2);  // every processor with AVX2 has F16C
#endif
  isas.push_back(Isa::generic);
  return isas;
}

Isa choose_isa(std::string_view wanted) {
  const std::vector<Isa> isas = detect_isas();
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
