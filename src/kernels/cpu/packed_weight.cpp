// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/packed_weight.h"

#include <utility>

namespace lazyllm::kernels::cpu {
namespace {

constexpr PackedFormat simple(int bits, int offset) {
  return {.bits = bits, .offset = offset};
}
constexpr PackedFormat simple_minimum(int bits) {
  return {.bits = bits, .minimum = true};
}
constexpr PackedFormat super(int bits, int scale_columns, int offset) {
  return {.bits = bits, .scale_columns = scale_columns, .offset = offset, .super = true};
}
constexpr PackedFormat super_minimum(int bits, int scale_columns) {
  return {.bits = bits, .scale_columns = scale_columns, .minimum = true, .super = true};
}
constexpr PackedFormat codebook(bool of_super) {
  return {.bits = 4, .offset = 128, .super = of_super, .codebook = true};
}

constexpr PackedFormat kFormats[kStorageTypeCount] = {
    {},                    // F32
    {},                    // F16
    {.bf16 = true},        // BF16
    simple(4, 8),          // Q4_0
    simple_minimum(4),     // Q4_1
    simple(5, 16),         // Q5_0
    simple_minimum(5),     // Q5_1
    simple(8, 128),        // Q8_0
    super_minimum(2, 16),  // Q2_K
    super(3, 16, 4),       // Q3_K
    super_minimum(4, 32),  // Q4_K
    super_minimum(5, 32),  // Q5_K
    super(6, 16, 32),      // Q6_K
    codebook(false),       // IQ4_NL
    codebook(true),        // IQ4_XS
    simple(5, 16),         // MXFP4: twice its values are whole numbers from -12 to 12
};

}  // namespace

const PackedFormat& packed_format(StorageType type) {
  return kFormats[static_cast<size_t>(type)];
}

PackedWeight::PackedWeight(std::vector<PackedMatrix> parts) : parts_(std::move(parts)) {
  for (const PackedMatrix& part : parts_) {
    rows_ += part.rows;
    columns_ = part.columns;
    bytes_ += static_cast<size_t>(part.tiles() * part.tile_bytes);
  }
}

}  // namespace lazyllm::kernels::cpu
