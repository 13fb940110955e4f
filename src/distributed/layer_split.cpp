// SPDX-License-Identifier: Apache-2.0
#include "distributed/layer_split.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace lazyllm::distributed {

std::vector<int> split_layers(std::span<const uint64_t> layer_bytes, uint64_t head_bytes,
                              std::span<const uint64_t> available) {
  const size_t layers = layer_bytes.size(), ranks = available.size();
  if (ranks > layers) {
    fail(ErrorCode::usage, "{} ranks for {} layers; start at most as many as there are layers",
         ranks, layers);
  }
  std::vector<uint64_t> before{0};  // [layers + 1] bytes of the layers before
  for (const uint64_t bytes : layer_bytes) before.push_back(before.back() + bytes);

  using Cost = std::pair<uint64_t, uint64_t>;  // bytes that do not fit, most bytes of a rank
  constexpr Cost kNone{std::numeric_limits<uint64_t>::max(), 0};
  // best[r][end]: ranks 0 .. r have the layers before `end`; begin[r][end]: r's first layer.
  std::vector<std::vector<Cost>> best(ranks, std::vector<Cost>(layers + 1, kNone));
  std::vector<std::vector<size_t>> begin(ranks, std::vector<size_t>(layers + 1, 0));
  for (size_t r = 0; r < ranks; ++r) {
    for (size_t end = r + 1; end <= layers; ++end) {
      for (size_t first = r; first < end; ++first) {
        const Cost so_far = r == 0 ? Cost{0, 0} : best[r - 1][first];
        if ((r == 0 && first > 0) || so_far == kNone) continue;
        const uint64_t bytes = before[end] - before[first];
        const uint64_t held = bytes + (r == 0 ? head_bytes : 0);
        const uint64_t over = held > available[r] ? held - available[r] : 0;
        const Cost cost{so_far.first + over, std::max(so_far.second, bytes)};
        if (cost >= best[r][end]) continue;
        best[r][end] = cost;
        begin[r][end] = first;
      }
    }
  }
  std::vector<int> rank_of(layers);
  size_t end = layers;
  for (size_t r = ranks; r-- > 0; end = begin[r][end]) {
    std::fill(rank_of.begin() + static_cast<int64_t>(begin[r][end]),
              rank_of.begin() + static_cast<int64_t>(end), static_cast<int>(r));
  }
  return rank_of;
}

}  // namespace lazyllm::distributed
