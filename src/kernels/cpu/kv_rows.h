// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "kernels/backend.h"
#include "kernels/cpu/isa.h"
#include "kernels/kv_layout.h"

namespace lazyllm::kernels::cpu {

/// One head's key or value, between float32 and the cache's storage.
struct KvRowKernels {
  /// f16: to nearest even. q8_0: scale = max|x| / 127 per 32 values, kept as f16.
  void (*encode)(CacheType type, const float* in, int head_dim, std::byte* out);
  void (*decode)(CacheType type, const std::byte* in, int head_dim, float* out);
};

const KvRowKernels& kv_row_kernels(Isa isa);

/// One head's key that `table` rotated at position `from`, as it is at position `to`. The angle
/// between is that of the two rows of the table, so that rounding of positions and any scaling of
/// frequencies or magnitudes are those that both had.
void turn_key(const KvRowKernels& kernels, const KvLayout& layout, const RopeTable& table,
              int32_t from, int32_t to, const std::byte* in, std::byte* out);

namespace generic {
extern const KvRowKernels kKvRowKernels;
}
namespace avx2 {
extern const KvRowKernels kKvRowKernels;
}
namespace avx512 {
extern const KvRowKernels kKvRowKernels;
}

}  // namespace lazyllm::kernels::cpu
