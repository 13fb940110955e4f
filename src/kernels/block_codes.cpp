// SPDX-License-Identifier: Apache-2.0
#include "kernels/block_codes.h"

#include <cstring>

namespace lazyllm::kernels {
namespace {

uint16_t load_u16(const uint8_t* bytes) {
  return static_cast<uint16_t>(bytes[0] | bytes[1] << 8);
}

/// 16 bytes -> 32 codes: the low nibbles, then the high ones.
void read_nibbles(const uint8_t* bytes, int count, uint8_t* quants) {
  for (int i = 0; i < count; ++i) {
    quants[i] = bytes[i] & 15;
    quants[i + count] = bytes[i] >> 4;
  }
}

void add_fifth_bits(const uint8_t* bits, uint8_t* quants) {
  for (int i = 0; i < 32; ++i) {
    quants[i] = static_cast<uint8_t>(quants[i] | ((bits[i / 8] >> (i % 8)) & 1) << 4);
  }
}

/// The 8 six-bit scales and minimums of Q4_K and Q5_K, from 12 bytes.
void read_k_scales(const uint8_t* s, BlockCodes& out) {
  for (int j = 0; j < 4; ++j) {
    out.scales[j] = static_cast<int8_t>(s[j] & 63);
    out.minimums[j] = s[j + 4] & 63;
    out.scales[j + 4] = static_cast<int8_t>((s[j + 8] & 15) | (s[j] >> 6) << 4);
    out.minimums[j + 4] = static_cast<uint8_t>(s[j + 8] >> 4 | (s[j + 4] >> 6) << 4);
  }
}

/// 64 bytes -> 256 two-bit codes: 4 runs of 32 values share 32 bytes.
void read_two_bits(const uint8_t* bytes, uint8_t* quants) {
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 4; ++j) {
      for (int i = 0; i < 32; ++i) {
        quants[128 * half + 32 * j + i] = (bytes[32 * half + i] >> (2 * j)) & 3;
      }
    }
  }
}

void read_q2_k(const uint8_t* b, BlockCodes& out) {
  for (int g = 0; g < 16; ++g) {
    out.scales[g] = static_cast<int8_t>(b[g] & 15);
    out.minimums[g] = b[g] >> 4;
  }
  read_two_bits(b + 16, out.quants);
  out.scale = load_u16(b + 80);
  out.minimum = load_u16(b + 82);
}

void read_q3_k(const uint8_t* b, BlockCodes& out) {
  const uint8_t* high = b;
  const uint8_t* s = b + 96;
  read_two_bits(b + 32, out.quants);
  for (int i = 0; i < 256; ++i) {  // bit i / 32 of byte i % 32
    out.quants[i] = static_cast<uint8_t>(out.quants[i] | ((high[i % 32] >> (i / 32)) & 1) << 2);
  }
  for (int k = 0; k < 16; ++k) {
    const int low = k < 8 ? s[k] & 15 : s[k - 8] >> 4;
    const int top = (s[8 + k % 4] >> (2 * (k / 4))) & 3;
    out.scales[k] = static_cast<int8_t>((low | top << 4) - 32);
  }
  out.scale = load_u16(b + 108);
}

void read_q4_k(const uint8_t* b, BlockCodes& out) {
  out.scale = load_u16(b);
  out.minimum = load_u16(b + 2);
  read_k_scales(b + 4, out);
  for (int i = 0; i < 4; ++i) read_nibbles(b + 16 + 32 * i, 32, out.quants + 64 * i);
}

void read_q5_k(const uint8_t* b, BlockCodes& out) {
  out.scale = load_u16(b);
  out.minimum = load_u16(b + 2);
  read_k_scales(b + 4, out);
  const uint8_t* high = b + 16;
  for (int i = 0; i < 4; ++i) read_nibbles(b + 48 + 32 * i, 32, out.quants + 64 * i);
  for (int i = 0; i < 256; ++i) {  // bit i / 32 of byte i % 32
    out.quants[i] = static_cast<uint8_t>(out.quants[i] | ((high[i % 32] >> (i / 32)) & 1) << 4);
  }
}

void read_q6_k(const uint8_t* b, BlockCodes& out) {
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = b + 64 * half;
    const uint8_t* high = b + 128 + 32 * half;
    uint8_t* q = out.quants + 128 * half;
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<uint8_t>((low[i] & 15) | (high[i] & 3) << 4);
      q[i + 32] = static_cast<uint8_t>((low[i + 32] & 15) | ((high[i] >> 2) & 3) << 4);
      q[i + 64] = static_cast<uint8_t>(low[i] >> 4 | ((high[i] >> 4) & 3) << 4);
      q[i + 96] = static_cast<uint8_t>(low[i + 32] >> 4 | (high[i] >> 6) << 4);
    }
  }
  std::memcpy(out.scales, b + 192, 16);
  out.scale = load_u16(b + 208);
}

void read_iq4_xs(const uint8_t* b, BlockCodes& out) {
  out.scale = load_u16(b);
  const int high = load_u16(b + 2);
  for (int g = 0; g < 8; ++g) {
    const int low = (b[4 + g / 2] >> (4 * (g % 2))) & 15;
    out.scales[g] = static_cast<int8_t>((low | ((high >> (2 * g)) & 3) << 4) - 32);
    read_nibbles(b + 8 + 16 * g, 16, out.quants + 32 * g);
  }
}

/// 2^(exponent - 128) as f16 bits.
uint16_t half_power(int exponent) {
  constexpr int kLowestNormal = 128 - 14, kLowest = 128 - 24, kHighest = 128 + 15;
  if (exponent < kLowest) return 0;
  if (exponent < kLowestNormal) return static_cast<uint16_t>(1u << (exponent - kLowest));
  if (exponent > kHighest) return 0x7c00;
  return static_cast<uint16_t>((exponent - kLowestNormal + 1) << 10);
}

}  // namespace

void read_block(StorageType type, const std::byte* block, BlockCodes& out) {
  const auto* b = reinterpret_cast<const uint8_t*>(block);
  switch (type) {
    case StorageType::q4_0:
    case StorageType::iq4_nl:
      out.scale = load_u16(b);
      return read_nibbles(b + 2, 16, out.quants);
    case StorageType::q4_1:
      out.scale = load_u16(b);
      out.minimum = load_u16(b + 2);
      return read_nibbles(b + 4, 16, out.quants);
    case StorageType::q5_0:
      out.scale = load_u16(b);
      read_nibbles(b + 6, 16, out.quants);
      return add_fifth_bits(b + 2, out.quants);
    case StorageType::q5_1:
      out.scale = load_u16(b);
      out.minimum = load_u16(b + 2);
      read_nibbles(b + 8, 16, out.quants);
      return add_fifth_bits(b + 4, out.quants);
    case StorageType::q8_0:
      out.scale = load_u16(b);
      for (int i = 0; i < 32; ++i) out.quants[i] = b[2 + i] ^ 0x80;
      return;
    case StorageType::q2_k:
      return read_q2_k(b, out);
    case StorageType::q3_k:
      return read_q3_k(b, out);
    case StorageType::q4_k:
      return read_q4_k(b, out);
    case StorageType::q5_k:
      return read_q5_k(b, out);
    case StorageType::q6_k:
      return read_q6_k(b, out);
    case StorageType::iq4_xs:
      return read_iq4_xs(b, out);
    case StorageType::mxfp4:
      out.scale = half_power(b[0]);
      read_nibbles(b + 1, 16, out.quants);
      for (int i = 0; i < 32; ++i) out.quants[i] = kMxfp4Values[out.quants[i]];
      return;
    case StorageType::f32:
    case StorageType::f16:
    case StorageType::bf16:
      break;
  }
}

}  // namespace lazyllm::kernels
