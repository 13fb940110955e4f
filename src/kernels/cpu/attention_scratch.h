// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/attention_kernel.h"

namespace lazyllm::kernels::cpu {

// Arrays begin at cache lines.
inline int64_t round_up(int64_t floats) {
  return (floats + 15) / 16 * 16;
}

/// Takes what a tile of `lanes` needs from `next` on.
inline AttentionScratch carve_scratch(float*& next, int64_t lanes, int padded_dim) {
  AttentionScratch scratch;
  scratch.queries = next;
  next += lanes * padded_dim;
  scratch.scores = next;
  next += lanes * kChunkKeys;
  scratch.rows = next;
  next += int64_t{kBlockKeys} * padded_dim;
  scratch.keys = next;
  next += int64_t{kBlockKeys} * padded_dim;
  return scratch;
}

/// That many floats.
inline int64_t scratch_floats(int64_t lanes, int padded_dim) {
  return lanes * (padded_dim + kChunkKeys) + 2 * int64_t{kBlockKeys} * padded_dim;
}

}  // namespace lazyllm::kernels::cpu
