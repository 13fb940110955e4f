// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/row_ops.h"

namespace lazyllm::kernels::cpu {

const RowKernels& row_kernels(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512_vnni) return avx512::kRowKernels;
  if (isa == Isa::avx2) return avx2::kRowKernels;
#endif
  static_cast<void>(isa);
  return generic::kRowKernels;
}

}  // namespace lazyllm::kernels::cpu
