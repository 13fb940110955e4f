// SPDX-License-Identifier: Apache-2.0
// Included once by row_ops_<isa>.cpp, after simd_<isa>.h, with LAZYLLM_ISA set.
#include "kernels/cpu/row_ops.h"
#include "kernels/cpu/simd_math_inl.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

// Calls body(offset, n) for whole vectors (n = kWidth) and then for the rest, if any.
template <typename Body>
LAZYLLM_SIMD_INLINE void for_vectors(int64_t columns, Body body) {
  int64_t i = 0;
  for (; i + kWidth <= columns; i += kWidth) body(i, kWidth);
  if (i < columns) body(i, static_cast<int>(columns - i));
}

LAZYLLM_SIMD_INLINE Vec load_up_to(const float* p, int n) {
  return n == kWidth ? load(p) : load_first(p, n);
}

LAZYLLM_SIMD_INLINE void store_up_to(float* p, Vec v, int n) {
  if (n == kWidth) {
    store(p, v);
  } else {
    store_first(p, v, n);
  }
}

void rms_norm(const float* in, const float* gamma, float epsilon, int64_t columns, float* out) {
  // Four sums hide the latency of the addition.
  Vec sums[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 4 * kWidth <= columns; i += 4 * kWidth) {
    for (int j = 0; j < 4; ++j) {
      const Vec x = load(in + i + j * kWidth);
      sums[j] = multiply_add(x, x, sums[j]);
    }
  }
  for_vectors(columns - i, [&](int64_t offset, int n) {
    const Vec x = load_up_to(in + i + offset, n);
    sums[0] = multiply_add(x, x, sums[0]);
  });
  const float sum = reduce_add(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
  const float factor = 1.0f / __builtin_sqrtf(sum / static_cast<float>(columns) + epsilon);
  const Vec factors = broadcast(factor);
  for_vectors(columns, [&](int64_t offset, int n) {
    const Vec x = load_up_to(in + offset, n);
    store_up_to(out + offset, mul(mul(x, factors), load_up_to(gamma + offset, n)), n);
  });
}

void silu_times(const float* gate, const float* up, int64_t columns, float* out) {
  for_vectors(columns, [&](int64_t offset, int n) {
    const Vec x = load_up_to(gate + offset, n);
    const Vec bottom = add(broadcast(1.0f), exponential(sub(zero(), x)));
    store_up_to(out + offset, mul(div(x, bottom), load_up_to(up + offset, n)), n);
  });
}

// gelu(x) = x/2 * (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) * (x + 0.044715 x^3):
// without the cancellation that 1 + tanh(u) has for negative u.
void gelu_tanh_times(const float* gate, const float* up, int64_t columns, float* out) {
  constexpr double kMinus2SqrtTwoOverPi = -1.5957691216057308;
  const Vec linear = broadcast(static_cast<float>(kMinus2SqrtTwoOverPi));
  const Vec cubic = broadcast(static_cast<float>(kMinus2SqrtTwoOverPi * 0.044715));
  for_vectors(columns, [&](int64_t offset, int n) {
    const Vec x = load_up_to(gate + offset, n);
    const Vec exponent = mul(x, multiply_add(mul(x, x), cubic, linear));
    const Vec bottom = add(broadcast(1.0f), exponential(exponent));
    store_up_to(out + offset, mul(div(x, bottom), load_up_to(up + offset, n)), n);
  });
}

void clamped_swiglu(const float* gate, const float* up, int64_t columns, float* out) {
  constexpr float kLimit = 7.0f;
  const Vec limit = broadcast(kLimit);
  const Vec lowest = broadcast(-kLimit);
  const Vec steepness = broadcast(-1.702f);
  const Vec one = broadcast(1.0f);
  for_vectors(columns, [&](int64_t offset, int n) {
    const Vec g = min(load_up_to(gate + offset, n), limit);
    const Vec u = max(min(load_up_to(up + offset, n), limit), lowest);
    const Vec bottom = add(one, exponential(mul(g, steepness)));
    store_up_to(out + offset, mul(div(g, bottom), add(u, one)), n);
  });
}

void add_row(float* row, const float* other, int64_t columns) {
  for_vectors(columns, [&](int64_t offset, int n) {
    store_up_to(row + offset, add(load_up_to(row + offset, n), load_up_to(other + offset, n)), n);
  });
}

void multiply_row(float* row, const float* other, int64_t columns) {
  for_vectors(columns, [&](int64_t offset, int n) {
    store_up_to(row + offset, mul(load_up_to(row + offset, n), load_up_to(other + offset, n)), n);
  });
}

void convolve(const float* const* inputs, int taps, const float* weights, const float* bias,
              const float* gate, int64_t columns, float* out) {
  for_vectors(columns, [&](int64_t offset, int n) {
    Vec sum = bias == nullptr ? zero() : load_up_to(bias + offset, n);
    for (int tap = 0; tap < taps; ++tap) {
      if (inputs[tap] == nullptr) continue;
      sum = multiply_add(load_up_to(weights + tap * columns + offset, n),
                         load_up_to(inputs[tap] + offset, n), sum);
    }
    store_up_to(out + offset, mul(load_up_to(gate + offset, n), sum), n);
  });
}

constexpr int kRopePairs = 128;  // pairs of a head rotated at a time: bounds the stack tables

void rope(float* row, int heads, int head_dim, const float* cos_sin, int rotated,
          bool interleaved) {
  const int pairs = rotated / 2;
  float cosines[2 * kRopePairs];
  float sines[2 * kRopePairs];
  for (int first = 0; first < pairs; first += kRopePairs) {
    const int count = pairs - first < kRopePairs ? pairs - first : kRopePairs;
    const float* table = cos_sin + 2 * static_cast<int64_t>(first);
    for (int i = 0; i < count; ++i) {
      const float cosine = table[2 * i];
      const float sine = table[2 * i + 1];
      if (interleaved) {  // one entry per value, so that a pair is one multiplication and a swap
        cosines[2 * i] = cosines[2 * i + 1] = cosine;
        sines[2 * i] = -sine;
        sines[2 * i + 1] = sine;
      } else {
        cosines[i] = cosine;
        sines[i] = sine;
      }
    }
    for (int head = 0; head < heads; ++head) {
      float* values = row + static_cast<int64_t>(head) * head_dim;
      if (interleaved) {
        float* pair = values + 2 * first;
        for_vectors(2 * count, [&](int64_t i, int n) {
          const Vec x = load_up_to(pair + i, n);
          const Vec turned = mul(swap_pairs(x), load_up_to(sines + i, n));
          store_up_to(pair + i, multiply_add(x, load_up_to(cosines + i, n), turned), n);
        });
      } else {
        float* low = values + first;
        float* high = low + pairs;
        for_vectors(count, [&](int64_t i, int n) {
          const Vec a = load_up_to(low + i, n);
          const Vec b = load_up_to(high + i, n);
          const Vec c = load_up_to(cosines + i, n);
          const Vec s = load_up_to(sines + i, n);
          store_up_to(low + i, multiply_add(a, c, mul(sub(zero(), b), s)), n);
          store_up_to(high + i, multiply_add(b, c, mul(a, s)), n);
        });
      }
    }
  }
}

}  // namespace

const RowKernels kRowKernels = {rms_norm, silu_times,   gelu_tanh_times, clamped_swiglu,
                                add_row,  multiply_row, convolve,        rope};

}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
