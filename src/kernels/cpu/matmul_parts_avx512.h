// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/matmul_kernels.h"

// The members of MatmulKernels that stand in files of their own.
namespace lazyllm::kernels::cpu::avx512 {

void quantize_panel(const float* in, int64_t in_stride, int rows, int64_t groups, int8_t* quants,
                    float* scales, int32_t* sums16, int32_t* sums32);
void decode_scales(const PackedFormat& format, const uint8_t* tile_scales, int64_t first_group,
                   int64_t groups, float* scales, float* minimums, int64_t stride);
void unpack_quants(const PackedFormat& format, const uint8_t* planes, int64_t groups, uint8_t* out,
                   int64_t stride);
void unpack_floats(StorageType type, const std::byte* values, int64_t columns, float* out,
                   int64_t stride);
FloatKernel float_panel_kernel(int rows, int tiles);
FloatKernel float_direct_kernel(StorageType type, int rows);
/// Of AVX-512 BF16.
extern const Bf16Kernels kBf16Kernels;

}  // namespace lazyllm::kernels::cpu::avx512
