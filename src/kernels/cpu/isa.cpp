// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/isa.h"

#include <string>

#include "base/error.h"

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

std::vector<Isa> isas_of(const Processor& processor) {
  std::vector<Isa> isas;
  if (prefers_bf16_products(processor)) isas.push_back(Isa::avx512_bf16);
  if (processor.avx512_vnni) isas.push_back(Isa::avx512_vnni);
  if (processor.avx512_bf16 && !prefers_bf16_products(processor)) {
    isas.push_back(Isa::avx512_bf16);
  }
  if (processor.avx_vnni) isas.push_back(Isa::avx_vnni);
  if (processor.avx2) isas.push_back(Isa::avx2);
  isas.push_back(Isa::generic);
  return isas;
}

const std::vector<Isa>& detect_isas() {
  static const std::vector<Isa> isas = isas_of(this_processor());
  return isas;
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
