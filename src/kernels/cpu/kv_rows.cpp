// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/kv_rows.h"

namespace lazyllm::kernels::cpu {

const KvRowKernels& kv_row_kernels(Isa isa) {
#if defined(__x86_64__)
  if (has_avx512_vectors(isa)) return avx512::kKvRowKernels;
  if (has_avx2_vectors(isa)) return avx2::kKvRowKernels;
#endif
  static_cast<void>(isa);
  return generic::kKvRowKernels;
}

}  // namespace lazyllm::kernels::cpu
