// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace lazyllm::kernels::cpu {

/// Instruction sets that kernels exist for, worst first.
enum class Isa {
  generic,      ///< plain C++: any processor
  avx2,         ///< AVX2 + FMA + F16C
  avx512_vnni,  ///< AVX-512 F, BW, DQ, VL and VNNI
};

std::string_view name(Isa isa);

/// What this processor and operating system can run, best first; never empty.
std::vector<Isa> detect_isas();

/// Errors: Error(usage) when this machine does not have the ISA; "" is the best one.
Isa choose_isa(std::string_view name);

}  // namespace lazyllm::kernels::cpu
