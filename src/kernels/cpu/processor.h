// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lazyllm::kernels::cpu {

enum class Vendor { intel, amd, other };

/// A processor as far as kernels are chosen by it. Nothing in it is measured, so that two starts on
/// one machine choose alike.
struct Processor {
  Vendor vendor = Vendor::other;
  int family = 0;  ///< with the extended family, as /proc/cpuinfo has it
  int model = 0;   ///< with the extended model

  // What the processor has and the operating system lets programs use.
  bool avx2 = false;         ///< AVX2, FMA, F16C and BMI2
  bool avx_vnni = false;     ///< the VEX form of VNNI
  bool avx512_vnni = false;  ///< AVX-512 F, BW, DQ, VL and VNNI
  bool avx512_bf16 = false;
};

/// The one that this program runs on, asked once.
const Processor& this_processor();

/// Whether products of bfloat16 pairs are faster than FMA there: on some processors they take four
/// times as long as they do on others. Of a processor that the table does not name: no, since
/// float32 products are never slow and round less.
bool prefers_bf16_products(const Processor& processor);

/// How many bytes ahead a product of few rows should ask for weights that are read once; 0 where
/// the processor's own prefetching does better. Changes no bit of a result. Measured:
/// docs/lab/speed.md, "Few rows".
int64_t weight_prefetch_bytes(const Processor& processor);

/// Activations (a byte each, if they are quantised) in a block of rows that a product takes through
/// a tile's unpacked weights: what the second-level cache holds, or, where a big third level feeds
/// the products as well, so many that weights are mostly unpacked once. Changes no bit of a result.
/// Measured: docs/lab/speed.md, "Blocks of rows".
int64_t block_activations(const Processor& processor);

}  // namespace lazyllm::kernels::cpu
