// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/storage_type.h"

namespace lazyllm::kernels {

inline constexpr int kSuperBlockValues = 256;  ///< of the K-quants and IQ4_XS

/// A block of a quantised storage type taken apart into its integers, in the order of
/// the values. 32-value types use the first 32 quants, `scale` and `minimum` only.
struct BlockCodes {
  uint8_t quants[kSuperBlockValues];  ///< unsigned codes; Q8_0 has 128 added, Q3_K 4; MXFP4: see
                                      ///< kMxfp4Values
  uint16_t scale = 0;                 ///< f16 bits
  uint16_t minimum = 0;               ///< f16 bits; of the K-quants the factor of `minimums`
  int8_t scales[16];                  ///< K-quants: per group of 16 or 32 values
  uint8_t minimums[16];
};

/// What the codes of MXFP4 stand for, doubled, and 16 added: its quants. Its scale is the block's
/// power of two halved: 0 below what an f16 holds, infinity above.
inline constexpr uint8_t kMxfp4Values[16] = {16, 17, 18, 19, 20, 22, 24, 28,
                                             16, 15, 14, 13, 12, 10, 8,  4};

/// `type` is a quantised type.
void read_block(StorageType type, const std::byte* block, BlockCodes& out);

}  // namespace lazyllm::kernels
