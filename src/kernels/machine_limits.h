// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lazyllm::kernels {

/// What the processor can do at most with the instructions of one kernel set, measured on
/// all threads at once. A multiplication and an addition are two operations. 0: not measured,
/// because the kernel set has no such instruction or no loop was written for it.
struct MachineLimits {
  double int8_gops = 0.0;       ///< products of 8-bit integers
  double bf16_gflops = 0.0;     ///< dot products of bfloat16 pairs
  double fp32_gflops = 0.0;     ///< fused multiply-adds
  double read_gigabytes = 0.0;  ///< per second, from memory that no cache holds
};

/// Takes about a second. `isa` and `threads` as in create_cpu_backend.
MachineLimits measure_machine_limits(std::string_view isa, int threads);

}  // namespace lazyllm::kernels
