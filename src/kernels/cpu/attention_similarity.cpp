// SPDX-License-Identifier: Apache-2.0
// Which keys a chunk of queries is most alike to: QUOKA's measure (arXiv 2602.08722), from a few
// queries that speak for the chunk.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_scratch.h"
#include "kernels/cpu/parallel.h"

namespace lazyllm::kernels::cpu {
namespace {

constexpr float kSmallest = 1e-30f;  // a query of zeros is like none

/// Sums are kept apart by place, so that the compiler may take several at once.
float inner_product(const float* a, const float* b, int count) {
  constexpr int kPlaces = 16;
  float sums[kPlaces] = {};
  int i = 0;
  for (; i + kPlaces <= count; i += kPlaces) {
    for (int j = 0; j < kPlaces; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (int j = 0; i < count; ++i, ++j) sums[j] += a[i] * b[i];
  return std::accumulate(sums, sums + kPlaces, 0.0f);
}

/// Of one head: the rows least like their mean, in rising order of likeness, at length 1.
/// out: row r at out + r * stride.
void take_representatives(ConstFloatRows rows, int count, float* out, int64_t stride) {
  const auto head_dim = static_cast<int>(rows.columns);
  std::vector<float> mean(static_cast<size_t>(head_dim), 0.0f);
  for (int64_t r = 0; r < rows.rows; ++r) {
    for (int d = 0; d < head_dim; ++d) mean[static_cast<size_t>(d)] += rows.row(r)[d];
  }
  std::vector<float> inverse_length(static_cast<size_t>(rows.rows));
  std::vector<std::pair<float, int64_t>> likeness;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* q = rows.row(r);
    float& inverse = inverse_length[static_cast<size_t>(r)];
    inverse = 1.0f / std::sqrt(inner_product(q, q, head_dim) + kSmallest);
    // The mean's own length changes no order.
    const float like = inner_product(q, mean.data(), head_dim) * inverse;
    likeness.emplace_back(std::isnan(like) ? 0.0f : like, r);
  }
  std::partial_sort(likeness.begin(), likeness.begin() + count, likeness.end());
  for (int i = 0; i < count; ++i, out += stride) {
    const int64_t r = likeness[static_cast<size_t>(i)].second;
    const float* q = rows.row(r);
    for (int d = 0; d < head_dim; ++d) out[d] = q[d] * inverse_length[static_cast<size_t>(r)];
  }
}

}  // namespace

void Attention::compare_keys(const KeySimilarityInput& input, std::span<float> scores) {
  const KvLayout& layout = input.cache.layout;
  const auto keys = std::ssize(input.key_slots);
  const int64_t rows = input.queries.rows;
  const auto count = static_cast<int>(std::min<int64_t>(input.representatives, rows));
  if (keys == 0 || count == 0) return;
  const int head_dim = layout.head_dim, group = input.heads / layout.kv_heads;
  const int64_t columns = int64_t{input.heads} * head_dim;

  float* representatives = shared_scratch_.floats(static_cast<size_t>(count * columns));
  auto take = [&](int64_t head, int) {
    const ConstFloatRows of_head = input.queries.cut(head * head_dim, head_dim);
    take_representatives(of_head, count, representatives + head * head_dim, columns);
  };
  parallel_for(pool_, input.heads, true, take);

  // Of the group's heads the mean of what they give, rank by rank: a seventh of the work for the
  // heads of Qwen2.5-0.5B, and the same divergence was measured (docs/lab/sparse-attention.md).
  for (int i = 0; i < count; ++i) {
    for (int kv_head = 0; kv_head < layout.kv_heads; ++kv_head) {
      float* const mean = representatives + i * columns + int64_t{kv_head} * group * head_dim;
      for (int d = head_dim; d < group * head_dim; ++d) mean[d % head_dim] += mean[d];
    }
  }

  const std::vector<int32_t> first(static_cast<size_t>(count), 0);
  const std::vector<int32_t> end(static_cast<size_t>(count), static_cast<int32_t>(keys));
  const auto padded_dim = static_cast<int>(round_up(head_dim));
  const int64_t chunks = (keys + kChunkKeys - 1) / kChunkKeys;
  auto compare = [&](int64_t index, int worker) {
    const int64_t chunk = index / layout.kv_heads;
    const auto kv_head = static_cast<int>(index % layout.kv_heads);
    AttentionTile tile{};
    tile.queries = representatives + int64_t{kv_head} * group * head_dim;
    tile.query_stride = columns;
    tile.rows = count;
    tile.group = 1;
    tile.head_dim = head_dim;
    tile.padded_dim = padded_dim;
    tile.first_key = first.data();
    tile.end_key = end.data();
    tile.common_first = 0;
    tile.common_end = static_cast<int32_t>(keys);
    tile.key_slots = input.key_slots.data();
    tile.blocks = input.cache.blocks.data();
    tile.key_offset = layout.key_offset(kv_head, 0);
    tile.k_row_bytes = layout.k_row_bytes();
    tile.k_type = layout.k_type;
    tile.scale = 1.0f;
    float* next = worker_scratch_[static_cast<size_t>(worker)].floats(
        static_cast<size_t>(scratch_floats(count, padded_dim) + kChunkKeys));
    const AttentionScratch scratch = carve_scratch(next, count, padded_dim);
    kernels_.products.prepare(tile, scratch);
    kernels_.chunk_similarities(tile, scratch, chunk, next);
    const int64_t key = chunk * kChunkKeys;
    std::copy_n(next, std::min<int64_t>(kChunkKeys, keys - key),
                scores.data() + kv_head * keys + key);
  };
  parallel_for(pool_, chunks * layout.kv_heads, true, compare);
}

}  // namespace lazyllm::kernels::cpu
