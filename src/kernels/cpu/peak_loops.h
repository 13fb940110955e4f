// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/cpu/isa.h"

namespace lazyllm::kernels::cpu {

/// Nothing but one kind of product, as fast as a core can.
struct PeakLoop {
  double operations = 0.0;                ///< of a round; a product and a sum are two
  void (*run)(int64_t rounds) = nullptr;  ///< null: the ISA has no such instruction
};

PeakLoop int8_loop(Isa isa);
PeakLoop bf16_loop(Isa isa);
PeakLoop float_loop(Isa isa);

}  // namespace lazyllm::kernels::cpu
