// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "kernels/cpu/processor.h"

namespace lazyllm::kernels::cpu {

/// Instruction sets that kernels exist for. Each has a name, which stands for all that the bits of
/// results depend on beside the weights and inputs: blocks, tiles and threads change none (row
/// invariance, kernels/backend.h). Snapshots carry it.
enum class Isa {
  generic,      ///< plain C++: any processor
  avx2,         ///< AVX2 + FMA + F16C
  avx_vnni,     ///< AVX2 + FMA + F16C, integer products with AVX-VNNI
  avx512_vnni,  ///< AVX-512 F, BW, DQ, VL and VNNI
  avx512_bf16,  ///< the same, BF16 weights and attention with AVX-512 BF16
};

std::string_view name(Isa isa);

/// Kernels that exist once for vectors of 256 or 512 bits.
constexpr bool has_avx2_vectors(Isa isa) {
  return isa == Isa::avx2 || isa == Isa::avx_vnni;
}
constexpr bool has_avx512_vectors(Isa isa) {
  return isa == Isa::avx512_vnni || isa == Isa::avx512_bf16;
}

/// What a processor can run, best first; never empty. A pure function of who made it and what it
/// has: avx512_bf16 comes before avx512_vnni only where prefers_bf16_products.
std::vector<Isa> isas_of(const Processor& processor);

/// isas_of(this_processor()).
const std::vector<Isa>& detect_isas();

/// Errors: Error(usage) when this machine does not have the ISA; "" is the best one.
Isa choose_isa(std::string_view name);

}  // namespace lazyllm::kernels::cpu
