// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/storage_type.h"

namespace lazyllm::kernels {

/// Whether quantize_row writes this type.
bool can_quantize(StorageType type);

/// Stores `columns` float32 values as a row of the type, with the scales that make the squared
/// error small, large values counted more. `columns` is a multiple of the type's block; the
/// values are finite. Writes F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K and MXFP4.
void quantize_row(StorageType type, const float* values, int64_t columns, std::byte* out);

}  // namespace lazyllm::kernels
