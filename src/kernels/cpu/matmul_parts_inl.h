// SPDX-License-Identifier: Apache-2.0
// The members of MatmulKernels that stand in files of their own. Included with LAZYLLM_ISA set.
#pragma once

#include "kernels/cpu/matmul_kernels.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {

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

namespace {

constexpr MatmulKernels with_integer_products(decltype(MatmulKernels::panel_kernel) panel_kernel,
                                              decltype(MatmulKernels::direct_kernel) direct_kernel,
                                              const char* description,
                                              const Bf16Kernels* bf16 = nullptr) {
  return {quantize_panel,
          decode_scales,
          unpack_quants,
          unpack_floats,
          panel_kernel,
          direct_kernel,
          float_panel_kernel,
          float_direct_kernel,
          kGroupValues,
          description,
          bf16};
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
