// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/float16.h"
#include "kernels/block_codes.h"

namespace lazyllm::kernels {
namespace {

constexpr int kSuper = 256;

uint8_t* bytes_of(std::byte* out) {
  return reinterpret_cast<uint8_t*>(out);
}

void put_half(uint8_t* out, float value) {
  const uint16_t bits = float_to_half(value);
  out[0] = static_cast<uint8_t>(bits & 255);
  out[1] = static_cast<uint8_t>(bits >> 8);
}

float as_half(float value) {
  return half_to_float(float_to_half(value));
}

int rounded(float value, int least, int most) {
  return std::clamp(static_cast<int>(std::lrint(value)), least, most);
}

/// The value farthest from 0.
float extreme(const float* x, int n) {
  float found = 0.0f;
  for (int i = 0; i < n; ++i) {
    if (std::abs(x[i]) > std::abs(found)) found = x[i];
  }
  return found;
}

/// The scale s for which the sum of w (x - s q)^2, q = round(x / s) within [least, most], is
/// smallest among some scales around the one that reaches the extreme value, each refined to the
/// best for its q; w = x^2: what is large matters most.
float best_scale(const float* x, int n, int least, int most) {
  constexpr int kTries = 9;
  const float top = extreme(x, n);
  if (top == 0.0f) return 0.0f;
  float best = 0.0f;
  double best_gain = 0.0;
  for (int t = -kTries; t <= kTries; ++t) {
    const float inverse = (static_cast<float>(least) + 0.1f * static_cast<float>(t)) / top;
    double product = 0.0;
    double square = 0.0;
    for (int i = 0; i < n; ++i) {
      const double q = rounded(inverse * x[i], least, most);
      const double weight = static_cast<double>(x[i]) * static_cast<double>(x[i]);
      product += weight * static_cast<double>(x[i]) * q;
      square += weight * q * q;
    }
    if (square <= 0.0) continue;
    const double gain = product * product / square;
    if (gain > best_gain) {
      best_gain = gain;
      best = static_cast<float>(product / square);
    }
  }
  return best;
}

/// A group as scale * q - minimum with q in [0, most] and both not negative.
struct ScaleAndMinimum {
  float scale = 0.0f;
  float minimum = 0.0f;
};

ScaleAndMinimum best_scale_and_minimum(const float* x, int n, int most) {
  constexpr int kTries = 20;
  double power = 0.0;
  float low = 0.0f, high = 0.0f;
  for (int i = 0; i < n; ++i) {
    power += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  if (high == low) return {};
  const double spread = std::sqrt(power / n);
  ScaleAndMinimum best;
  double best_error = -1.0;
  for (int t = 0; t <= kTries; ++t) {
    const float inverse =
        (static_cast<float>(most) - 1.0f + 0.1f * static_cast<float>(t)) / (high - low);
    // Least squares of x = s q - m for these q.
    double w_sum = 0, wq = 0, wqq = 0, wx = 0, wxq = 0;
    for (int i = 0; i < n; ++i) {
      const double q = rounded(inverse * (x[i] - low), 0, most);
      const double w = spread + std::abs(static_cast<double>(x[i]));
      w_sum += w;
      wq += w * q;
      wqq += w * q * q;
      wx += w * static_cast<double>(x[i]);
      wxq += w * static_cast<double>(x[i]) * q;
    }
    const double determinant = w_sum * wqq - wq * wq;
    if (determinant <= 0) continue;
    double scale = (w_sum * wxq - wx * wq) / determinant;
    double minimum = -(wqq * wx - wq * wxq) / determinant;
    if (minimum < 0) {
      minimum = 0;
      scale = wqq > 0 ? wxq / wqq : 0;
    }
    if (scale <= 0) continue;
    double error = 0;
    for (int i = 0; i < n; ++i) {
      const double exact = (static_cast<double>(x[i]) + minimum) / scale;
      const double q = std::clamp(std::nearbyint(exact), 0.0, static_cast<double>(most));
      const double off = scale * q - minimum - static_cast<double>(x[i]);
      error += (spread + std::abs(static_cast<double>(x[i]))) * off * off;
    }
    if (best_error < 0 || error < best_error) {
      best_error = error;
      best = {static_cast<float>(scale), static_cast<float>(minimum)};
    }
  }
  return best;
}

void quantize_q8_0(const float* x, uint8_t* out) {
  const float d = as_half(std::abs(extreme(x, 32)) / 127.0f);
  put_half(out, d);
  for (int i = 0; i < 32; ++i) {
    out[2 + i] = static_cast<uint8_t>(d > 0.0f ? rounded(x[i] / d, -127, 127) : 0);
  }
}

void quantize_q4_0(const float* x, uint8_t* out) {
  const float d = as_half(best_scale(x, 32, -8, 7));
  put_half(out, d);
  const auto code = [&](int i) { return 8 + (d != 0.0f ? rounded(x[i] / d, -8, 7) : 0); };
  for (int i = 0; i < 16; ++i) out[2 + i] = static_cast<uint8_t>(code(i) | code(i + 16) << 4);
}

void quantize_q6_k(const float* x, uint8_t* out) {
  constexpr int kGroups = 16, kValues = 16;
  float scales[kGroups];
  for (int g = 0; g < kGroups; ++g) scales[g] = best_scale(x + kValues * g, kValues, -32, 31);
  const float top = extreme(scales, kGroups);
  const float d = as_half(top / -128.0f);
  uint8_t codes[kSuper] = {};
  std::memset(out, 0, 210);
  put_half(out + 208, d);
  for (int g = 0; g < kGroups; ++g) {
    const int scale = d != 0.0f ? rounded(scales[g] / d, -128, 127) : 0;
    out[192 + g] = static_cast<uint8_t>(scale);
    const float step = d * static_cast<float>(scale);
    for (int i = 0; i < kValues; ++i) {
      const int at = kValues * g + i;
      codes[at] = static_cast<uint8_t>(32 + (step != 0.0f ? rounded(x[at] / step, -32, 31) : 0));
    }
  }
  for (int half = 0; half < 2; ++half) {  // as block_codes reads them
    const uint8_t* q = codes + 128 * half;
    uint8_t* low = out + 64 * half;
    uint8_t* high = out + 128 + 32 * half;
    for (int i = 0; i < 32; ++i) {
      low[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 64] & 15) << 4);
      low[i + 32] = static_cast<uint8_t>((q[i + 32] & 15) | (q[i + 96] & 15) << 4);
      high[i] = static_cast<uint8_t>(q[i] >> 4 | (q[i + 32] >> 4) << 2 | (q[i + 64] >> 4) << 4 |
                                     (q[i + 96] >> 4) << 6);
    }
  }
}

/// A block of Q4_K or Q5_K up to its codes: writes the factors, and scales and minimums packed as
/// block_codes reads them, to the first 16 bytes; codes [256] within 0 .. most.
void quantize_k_groups(const float* x, int most, uint8_t* out, uint8_t* codes) {
  constexpr int kGroups = 8, kValues = 32, kMostScale = 63;
  ScaleAndMinimum groups[kGroups];
  float top_scale = 0.0f, top_minimum = 0.0f;
  for (int g = 0; g < kGroups; ++g) {
    groups[g] = best_scale_and_minimum(x + kValues * g, kValues, most);
    top_scale = std::max(top_scale, groups[g].scale);
    top_minimum = std::max(top_minimum, groups[g].minimum);
  }
  const float d = as_half(top_scale / kMostScale);
  const float m = as_half(top_minimum / kMostScale);
  put_half(out, d);
  put_half(out + 2, m);
  int scales[kGroups], minimums[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    scales[g] = d > 0.0f ? rounded(groups[g].scale / d, 0, kMostScale) : 0;
    minimums[g] = m > 0.0f ? rounded(groups[g].minimum / m, 0, kMostScale) : 0;
    const float step = d * static_cast<float>(scales[g]);
    const float low = m * static_cast<float>(minimums[g]);
    for (int i = 0; i < kValues; ++i) {
      const int at = kValues * g + i;
      codes[at] = static_cast<uint8_t>(step > 0.0f ? rounded((x[at] + low) / step, 0, most) : 0);
    }
  }
  uint8_t* s = out + 4;
  for (int j = 0; j < 4; ++j) {
    s[j] = static_cast<uint8_t>(scales[j] | (scales[j + 4] >> 4) << 6);
    s[j + 4] = static_cast<uint8_t>(minimums[j] | (minimums[j + 4] >> 4) << 6);
    s[j + 8] = static_cast<uint8_t>((scales[j + 4] & 15) | (minimums[j + 4] & 15) << 4);
  }
}

/// The low four bits of 256 codes, two runs of 32 in 32 bytes.
void put_nibbles(const uint8_t* codes, uint8_t* out) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int i = 0; i < 32; ++i) {
      const int low = codes[64 * pair + i] & 15, high = codes[64 * pair + 32 + i] & 15;
      out[32 * pair + i] = static_cast<uint8_t>(low | high << 4);
    }
  }
}

void quantize_q4_k(const float* x, uint8_t* out) {
  uint8_t codes[kSuper];
  quantize_k_groups(x, 15, out, codes);
  put_nibbles(codes, out + 16);
}

void quantize_q5_k(const float* x, uint8_t* out) {
  uint8_t codes[kSuper];
  quantize_k_groups(x, 31, out, codes);
  uint8_t* const high = out + 16;  // bit i / 32 of byte i % 32
  std::memset(high, 0, 32);
  for (int i = 0; i < kSuper; ++i) {
    high[i % 32] = static_cast<uint8_t>(high[i % 32] | (codes[i] >> 4) << (i / 32));
  }
  put_nibbles(codes, out + 48);
}

/// What a code of MXFP4 stands for, in halves of the block's power of two.
int mxfp4_halves(int code) {
  return static_cast<int>(kMxfp4Values[code]) - kMxfp4Values[0];
}

/// The code of the nearest value; of two as near, the smaller.
int mxfp4_code(float halves) {
  const float size = std::abs(halves);
  int code = 0;
  for (int i = 1; i < 8; ++i) {
    if (std::abs(static_cast<float>(mxfp4_halves(i)) - size) <
        std::abs(static_cast<float>(mxfp4_halves(code)) - size)) {
      code = i;
    }
  }
  return halves < 0.0f ? code | 8 : code;
}

/// The power of two that makes the error least: the one that puts the extreme value in the codes'
/// last octave, or one beside it. What is large matters most, as in best_scale.
void quantize_mxfp4(const float* x, uint8_t* out) {
  constexpr int kValues = 32;
  constexpr int kLowest = 104, kHighest = 143;  // what block_codes reads as a finite power above 0
  constexpr int kBias = 128;                    // of halves
  constexpr int kLastOctave = 3;                // 8 .. 12 halves
  const float top = std::abs(extreme(x, kValues));
  std::memset(out, 0, 17);
  if (top == 0.0f) return;
  const int middle = std::ilogb(top) - kLastOctave + kBias;
  double least_error = -1.0;
  for (int exponent = middle - 1; exponent <= middle + 1; ++exponent) {
    const int stored = std::clamp(exponent, kLowest, kHighest);
    uint8_t codes[kValues];
    double error = 0.0;
    for (int i = 0; i < kValues; ++i) {
      const int code = mxfp4_code(std::ldexp(x[i], kBias - stored));
      const double value = x[i];
      const double off = std::ldexp(mxfp4_halves(code), stored - kBias) - value;
      error += value * value * off * off;
      codes[i] = static_cast<uint8_t>(code);
    }
    if (least_error >= 0.0 && error >= least_error) continue;
    least_error = error;
    out[0] = static_cast<uint8_t>(stored);
    for (int i = 0; i < 16; ++i) out[1 + i] = static_cast<uint8_t>(codes[i] | codes[i + 16] << 4);
  }
}

/// To nearest, ties to even.
uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace

bool can_quantize(StorageType type) {
  switch (type) {
    case StorageType::f32:
    case StorageType::f16:
    case StorageType::bf16:
    case StorageType::q8_0:
    case StorageType::q4_0:
    case StorageType::q4_k:
    case StorageType::q5_k:
    case StorageType::q6_k:
    case StorageType::mxfp4:
      return true;
    default:
      return false;
  }
}

void quantize_row(StorageType type, const float* values, int64_t columns, std::byte* out) {
  const StorageTypeTraits& t = traits(type);
  LAZYLLM_CHECK(can_quantize(type) && columns % t.block_values == 0);
  if (type == StorageType::f32) {
    std::memcpy(out, values, static_cast<size_t>(columns) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < columns; i += t.block_values, out += t.block_bytes) {
    const float* x = values + i;
    uint8_t* const block = bytes_of(out);
    if (type == StorageType::q8_0) quantize_q8_0(x, block);
    if (type == StorageType::q4_0) quantize_q4_0(x, block);
    if (type == StorageType::q4_k) quantize_q4_k(x, block);
    if (type == StorageType::q5_k) quantize_q5_k(x, block);
    if (type == StorageType::mxfp4) quantize_mxfp4(x, block);
    if (type == StorageType::q6_k) quantize_q6_k(x, block);
    if (type == StorageType::f16) put_half(block, *x);
    if (type == StorageType::bf16) {
      const uint16_t bits = to_bfloat16(*x);
      block[0] = static_cast<uint8_t>(bits & 255);
      block[1] = static_cast<uint8_t>(bits >> 8);
    }
  }
}

}  // namespace lazyllm::kernels
