// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/storage_type.h"

namespace lazyllm::kernels {

/// Writes the `columns` values of one stored row as float32. Plain code and the
/// meaning of the storage types: everything faster is tested against it.
/// `columns` is a multiple of the type's block.
void dequantize_row(StorageType type, const std::byte* row, int64_t columns, float* out);

/// The 16 values that the codes of IQ4_NL and IQ4_XS stand for.
extern const int8_t kIq4Values[16];

}  // namespace lazyllm::kernels
