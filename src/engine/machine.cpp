// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/machine.h"

#include "kernels/machine_limits.h"

namespace lazyllm {

MachineLimits measure_machine_limits(const std::string& isa, int threads) {
  const kernels::MachineLimits limits = kernels::measure_machine_limits(isa, threads);
  return {limits.int8_gops, limits.bf16_gflops, limits.fp32_gflops, limits.read_gigabytes};
}

double PrefillWork::shortest_ms(const MachineLimits& machine) const {
  if (machine.int8_gops <= 0.0 || machine.fp32_gflops <= 0.0) return 0.0;
  return 1e-6 * (linear_quantised / machine.int8_gops +
                 (linear_float + attention) / machine.best_float_gflops());
}

}  // namespace lazyllm
