// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace lazyllm::kernels::cpu {

/// Instruction sets that kernels exist for.
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

/// What this processor and operating system can run, best first; never empty. avx512_bf16 comes
/// before avx512_vnni only where its products were measured to be faster than FMA: on some
/// processors they take four times as long as they do on others.
const std::vector<Isa>& detect_isas();

/// How many bytes ahead a product of few rows should ask for weights that are read once; 0 where
/// the processor's own prefetching does better. Measured: docs/performance.md, "Few rows".
int64_t weight_prefetch_bytes();

/// Activations (a byte each, if they are quantised) in a block of rows that a product takes through
/// a tile's unpacked weights: what the second-level cache holds, or, where a big third level feeds
/// the products as well, so many that weights are mostly unpacked once. Measured:
/// docs/performance.md, "Blocks of rows".
int64_t block_activations();

/// Errors: Error(usage) when this machine does not have the ISA; "" is the best one.
Isa choose_isa(std::string_view name);

}  // namespace lazyllm::kernels::cpu
