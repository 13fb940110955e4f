// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd_avx512.h"
#define LAZYLLM_ISA avx512
#include "kernels/cpu/unpack_quants_inl.h"
