// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

namespace lazyllm::kernels::cpu {

/// Zeroed memory for a packed matrix, 64-byte aligned, given back to the system when the last
/// matrix of its chunk is gone. Matrices share large chunks, so that the system can use huge
/// pages: each token reads all weights, and with small pages pays for finding every one of them.
/// May be called from several threads. Throws std::bad_alloc.
std::shared_ptr<std::byte> allocate_weight_memory(size_t bytes);

}  // namespace lazyllm::kernels::cpu
