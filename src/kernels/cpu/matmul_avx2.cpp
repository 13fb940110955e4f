// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/matmul_kernels.h"

namespace lazyllm::kernels::cpu {

const MatmulKernels& avx2_matmul_kernels() {
  return generic_matmul_kernels();
}

}  // namespace lazyllm::kernels::cpu
