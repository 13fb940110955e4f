// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/row_ops.h"

namespace lazyllm::kernels::cpu {

const RowKernels& row_kernels(Isa isa) {
#if defined(__x86_64__)
  if (has_avx512_vectors(isa)) return avx512::kRowKernels;
  if (has_avx2_vectors(isa)) return avx2::kRowKernels;
#endif
  static_cast<void>(isa);
  return generic::kRowKernels;
}

}  // namespace lazyllm::kernels::cpu
