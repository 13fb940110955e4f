// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lazyllm {

/// What this processor can do at most with the instructions of one kernel set, all threads
/// together. A multiplication and an addition are two operations. 0: not measured, because
/// the kernel set has no such instruction.
struct MachineLimits {
  double int8_gops = 0.0;       ///< products of 8-bit integers, 10^9 operations per second
  double bf16_gflops = 0.0;     ///< dot products of bfloat16
  double fp32_gflops = 0.0;     ///< fused multiply-adds
  double read_gigabytes = 0.0;  ///< per second from memory

  double best_float_gflops() const { return bf16_gflops > fp32_gflops ? bf16_gflops : fp32_gflops; }
};

/// Measures for about a second. `isa` empty: the best; `threads` 0: one per core.
/// Errors: Error(usage) for an ISA this machine does not have.
MachineLimits measure_machine_limits(const std::string& isa = "", int threads = 0);

/// Operations of a prefill from an empty session, counted, not measured.
struct PrefillWork {
  double linear_quantised = 0.0;  ///< in matrices that are stored in blocks of integers
  double linear_float = 0.0;      ///< in matrices stored as F32, F16 or BF16
  double attention = 0.0;

  double linear() const { return linear_quantised + linear_float; }
  /// Shortest time at the machine's limits, in milliseconds; 0 if they are not known.
  double shortest_ms(const MachineLimits& machine) const;
};

}  // namespace lazyllm
