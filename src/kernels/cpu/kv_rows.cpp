// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/kv_rows.h"

#include <vector>

namespace lazyllm::kernels::cpu {

const KvRowKernels& kv_row_kernels(Isa isa) {
#if defined(__x86_64__)
  if (has_avx512_vectors(isa)) return avx512::kKvRowKernels;
  if (has_avx2_vectors(isa)) return avx2::kKvRowKernels;
#endif
  static_cast<void>(isa);
  return generic::kKvRowKernels;
}

void turn_key(const KvRowKernels& kernels, const KvLayout& layout, const RopeTable& table,
              int32_t from, int32_t to, const std::byte* in, std::byte* out) {
  thread_local std::vector<float> values;
  values.resize(static_cast<size_t>(layout.head_dim));
  kernels.decode(layout.k_type, in, layout.head_dim, values.data());
  const int pairs = table.rotated / 2;
  const float* const before = table.cos_sin + int64_t{from} * pairs * 2;
  const float* const after = table.cos_sin + int64_t{to} * pairs * 2;
  for (int i = 0; i < pairs; ++i) {
    const float c0 = before[2 * i], s0 = before[2 * i + 1];
    const float c1 = after[2 * i], s1 = after[2 * i + 1];
    const float magnitude = c0 * c0 + s0 * s0;
    const float cosine = (c1 * c0 + s1 * s0) / magnitude;
    const float sine = (s1 * c0 - c1 * s0) / magnitude;
    float& low = values[static_cast<size_t>(table.interleaved ? 2 * i : i)];
    float& high = values[static_cast<size_t>(table.interleaved ? 2 * i + 1 : i + pairs)];
    const float turned = low * cosine - high * sine;
    high = low * sine + high * cosine;
    low = turned;
  }
  kernels.encode(layout.k_type, values.data(), layout.head_dim, out);
}

}  // namespace lazyllm::kernels::cpu
