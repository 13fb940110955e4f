// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/simd_generic.h"
#define LAZYLLM_ISA generic
#include "kernels/cpu/row_ops_inl.h"
