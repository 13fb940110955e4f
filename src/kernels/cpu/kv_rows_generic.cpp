// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/kv_rows.h"
#include "kernels/cpu/simd_generic.h"
#define LAZYLLM_ISA generic
#include "kernels/cpu/kv_rows_inl.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

void encode(CacheType type, const float* in, int head_dim, std::byte* out) {
  encode_row(type, in, head_dim, out);
}

void decode(CacheType type, const std::byte* in, int head_dim, float* out) {
  decode_row(type, in, head_dim, out);
}

}  // namespace

const KvRowKernels kKvRowKernels = {encode, decode};

}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
