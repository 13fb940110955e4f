// SPDX-License-Identifier: Apache-2.0
#include "kernels/dequantize.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/float16.h"
#include "kernels/block_codes.h"

namespace lazyllm::kernels {

const int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                               1,    13,   25,  38,  53,  69,  89,  113};

namespace {

template <typename Convert>
void convert_halves(const std::byte* row, int64_t columns, float* out, Convert convert) {
  for (int64_t i = 0; i < columns; ++i) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * i, 2);
    out[i] = convert(bits);
  }
}

/// Over the whole range of the exponents; 255 is no number.
void dequantize_mxfp4(const std::byte* row, int64_t columns, float* out) {
  const StorageTypeTraits& t = traits(StorageType::mxfp4);
  BlockCodes codes;
  for (int64_t block = 0; block < columns / t.block_values; ++block, row += t.block_bytes) {
    const int exponent = std::to_integer<int>(row[0]);
    read_block(StorageType::mxfp4, row, codes);
    const float scale = exponent == 255 ? std::numeric_limits<float>::quiet_NaN()
                                        : std::ldexp(1.0f, exponent - 128);
    for (int64_t i = 0; i < t.block_values; ++i) {
      out[block * t.block_values + i] = scale * static_cast<float>(codes.quants[i] - 16);
    }
  }
}

/// What the unsigned codes are shifted by; types with a minimum have none.
int code_offset(StorageType type) {
  switch (type) {
    case StorageType::q4_0:
      return 8;
    case StorageType::q5_0:
      return 16;
    case StorageType::q8_0:
      return 128;
    case StorageType::q3_k:
      return 4;
    case StorageType::q6_k:
      return 32;
    default:
      return 0;
  }
}

}  // namespace

// The order of the operations is that of the types' definition, so that the results
// are equal in bits to those of every other faithful reader.
void dequantize_row(StorageType type, const std::byte* row, int64_t columns, float* out) {
  switch (type) {
    case StorageType::f32:
      std::memcpy(out, row, static_cast<size_t>(columns) * 4);
      return;
    case StorageType::f16:
      return convert_halves(row, columns, out, half_to_float);
    case StorageType::bf16:
      return convert_halves(row, columns, out, bfloat16_to_float);
    case StorageType::mxfp4:
      return dequantize_mxfp4(row, columns, out);
    default:
      break;
  }
  const StorageTypeTraits& t = traits(type);
  const bool codebook = type == StorageType::iq4_nl || type == StorageType::iq4_xs;
  const bool minimum = type == StorageType::q4_1 || type == StorageType::q5_1 ||
                       type == StorageType::q2_k || type == StorageType::q4_k ||
                       type == StorageType::q5_k;
  const bool groups_of_16 =
      type == StorageType::q2_k || type == StorageType::q3_k || type == StorageType::q6_k;
  const int offset = code_offset(type);
  BlockCodes codes;
  for (int64_t block = 0; block < columns / t.block_values; ++block) {
    read_block(type, row + block * t.block_bytes, codes);
    const float d = half_to_float(codes.scale);
    const float m = half_to_float(codes.minimum);
    for (int64_t i = 0; i < t.block_values; ++i) {
      float scale = d;
      float low = m;
      if (t.block_values == kSuperBlockValues) {
        const int64_t g = i / (groups_of_16 ? 16 : 32);
        scale = d * static_cast<float>(codes.scales[g]);
        low = minimum ? -(m * static_cast<float>(codes.minimums[g])) : 0.0f;
      }
      const int q = codebook ? kIq4Values[codes.quants[i]] : codes.quants[i] - offset;
      const float product = scale * static_cast<float>(q);
      out[block * t.block_values + i] = minimum ? product + low : product;
    }
  }
}

}  // namespace lazyllm::kernels
