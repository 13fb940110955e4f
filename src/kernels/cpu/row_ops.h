// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/cpu/isa.h"

namespace lazyllm::kernels::cpu {

/// Ops on one row of float32 values, for one ISA. The order of all arithmetic
/// depends on the row's length alone.
struct RowKernels {
  /// out = in / sqrt(mean(in^2) + epsilon) * gamma; `out` may be `in`.
  void (*rms_norm)(const float* in, const float* gamma, float epsilon, int64_t columns, float* out);
  /// out = gate / (1 + exp(-gate)) * up; `out` may be `gate`.
  void (*silu_times)(const float* gate, const float* up, int64_t columns, float* out);
  /// out = gelu(gate) * up in the tanh form; `out` may be `gate`.
  void (*gelu_tanh_times)(const float* gate, const float* up, int64_t columns, float* out);
  void (*clamped_swiglu)(const float* gate, const float* up, int64_t columns, float* out);
  /// row += other.
  void (*add)(float* row, const float* other, int64_t columns);
  /// row *= other.
  void (*multiply)(float* row, const float* other, int64_t columns);
  /// out = gate * (bias + sum of weights[tap] * inputs[tap]), from tap 0 on; weights:
  /// [taps][columns]. An input may be null, and so may the bias: then they add nothing.
  void (*convolve)(const float* const* inputs, int taps, const float* weights, const float* bias,
                   const float* gate, int64_t columns, float* out);
  /// Rotates `heads` heads in place; cos_sin: [rotated / 2][2] of the row's position.
  void (*rope)(float* row, int heads, int head_dim, const float* cos_sin, int rotated,
               bool interleaved);
};

const RowKernels& row_kernels(Isa isa);

namespace generic {
extern const RowKernels kRowKernels;
}
namespace avx2 {
extern const RowKernels kRowKernels;
}
namespace avx512 {
extern const RowKernels kRowKernels;
}

}  // namespace lazyllm::kernels::cpu
