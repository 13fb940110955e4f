// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd_avx2.h"
#define LAZYLLM_ISA avx2
#include "kernels/cpu/matmul_float_inl.h"
