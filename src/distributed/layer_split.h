// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lazyllm::distributed {

/// Which rank computes each layer: contiguous ranges, at least one layer for each rank. What does
/// not fit a rank's memory is as little as can be; among such splits the largest share of the
/// layers is as small as can be, since ranks that work at once wait for the slowest.
///   layer_bytes  [layers] weights
///   head_bytes   what rank 0 holds beside its layers
///   available    [ranks] bytes of memory
/// Errors: Error(usage) for more ranks than layers.
std::vector<int> split_layers(std::span<const uint64_t> layer_bytes, uint64_t head_bytes,
                              std::span<const uint64_t> available);

}  // namespace lazyllm::distributed
