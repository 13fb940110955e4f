// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "kernels/cpu/isa.h"
#include "kernels/kv_layout.h"

namespace lazyllm::kernels::cpu {

/// One head's key or value, between float32 and the cache's storage.
struct KvRowKernels {
  /// f16: to nearest even. q8_0: scale = max|x| / 127 per 32 values, kept as f16.
  void (*encode)(CacheType type, const float* in, int head_dim, std::byte* out);
};

const KvRowKernels& kv_row_kernels(Isa isa);

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
