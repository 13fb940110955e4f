// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/isa.h"
#include "kernels/kv_layout.h"

// What one thread does in attention, for one ISA. attention.cpp cuts the work up.
//
// Attention of a row is defined in two levels, so that any cut of the work gives
// the same bits. The key list is cut into chunks of kChunkKeys keys counted from
// its key 0. A chunk with a visible key gives the maximum score, the sum of
// 2^(score - maximum) (scores are in units of log2) and the values weighted with
// these powers, added up key by key; the chunks are folded together in rising
// order. Keys that a row does not see change nothing. kBlockKeys keys at a time
// are converted; that has no influence on the bits.
namespace lazyllm::kernels::cpu {

inline constexpr int kBlockKeys = kKvBlockSlots;
inline constexpr int kChunkKeys = 256;

/// The query rows of a tile against the keys of one kv head. "Lane" (row r, query
/// head h of the group) has the number r * group + h.
struct AttentionTile {
  const float* queries;  ///< row 0, first query head of the group: [rows][group * head_dim]
  int64_t query_stride;
  int rows;
  int group;  ///< query heads of this kv head
  int head_dim;
  int padded_dim;            ///< head_dim rounded up to a multiple of 16
  const int32_t* first_key;  ///< [rows]
  const int32_t* end_key;    ///< [rows]
  int32_t common_first;      ///< all rows see [common_first, common_end)
  int32_t common_end;
  const int32_t* key_slots;  ///< the whole key list (of this kv head)
  std::byte* const* blocks;
  size_t key_offset;  ///< of this kv head in a block
  size_t value_offset;
  size_t k_row_bytes;
  size_t v_row_bytes;
  CacheType k_type;
  CacheType v_type;
  float scale;     ///< what the queries are multiplied with
  float soft_cap;  ///< 0: the products are the scores; else scores = soft_cap * tanh(products)
};

/// A result over some of the keys; maximum is -infinity where a lane saw none.
struct AttentionPartial {
  float* maximum;  ///< [lanes]
  float* sum;      ///< [lanes]
  float* values;   ///< [lanes][padded_dim]
};

/// Working memory of one thread, 64-byte aligned. So it is used by products in float32; those in
/// BF16 keep queries as BF16, put each lane's weights as BF16 over the first half of its scores,
/// and pairs of keys' elements, later pairs of values, into `keys`.
struct AttentionScratch {
  float* queries;  ///< [lanes][padded_dim], scaled
  float* scores;   ///< [lanes][kChunkKeys]
  float* rows;     ///< [kBlockKeys][padded_dim]: keys before they are transposed, then values
  float* keys;     ///< [padded_dim][kBlockKeys]
};

/// The products of attention, in one kind of arithmetic.
struct AttentionProducts {
  /// Fills scratch.queries; before the other calls for this tile.
  void (*prepare)(const AttentionTile& tile, const AttentionScratch& scratch);
  /// The keys [chunk * kChunkKeys, (chunk + 1) * kChunkKeys) of the list.
  void (*chunk)(const AttentionTile& tile, const AttentionScratch& scratch, int64_t chunk,
                const AttentionPartial& out);
};

struct AttentionKernels {
  AttentionProducts products;  ///< in float32
  /// Puts `next` behind `total`.
  void (*fold)(int64_t lanes, int padded_dim, const AttentionPartial& next,
               const AttentionPartial& total);
  /// out[row][h * head_dim ...] = values / sum.
  void (*finish)(const AttentionTile& tile, const AttentionPartial& total, float* out,
                 int64_t out_stride);
  /// Scores of a chunk's keys into scores[lane * stride + place in the chunk];
  /// -infinity where not visible. Maximum and sum as `products.chunk` gives.
  void (*chunk_scores)(const AttentionTile& tile, const AttentionScratch& scratch, int64_t chunk,
                       float* scores, int64_t stride, float* maximum, float* sum);
  /// best[i] = the highest product of a lane with key i of the chunk, by the key's length. All rows
  /// see all keys of the list; behind its end `best` is undefined.
  void (*chunk_similarities)(const AttentionTile& tile, const AttentionScratch& scratch,
                             int64_t chunk, float* best);
  /// total[i] += 2^(scores[i] - maximum) / sum.
  void (*add_probabilities)(const float* scores, int64_t keys, float maximum, float sum,
                            float* total);
  /// The same with the higher of both instead of their sum.
  void (*raise_to_probabilities)(const float* scores, int64_t keys, float maximum, float sum,
                                 float* total);
  /// total[i] += scores[i] where that is visible.
  void (*add_scores)(const float* scores, int64_t keys, float* total);
  /// 2^x for x <= 0.
  float (*power)(float x);
};

const AttentionKernels& attention_kernels(Isa isa);

/// Products of a cache of these types: where the processor has dot products of BF16, queries, keys,
/// values and weights are rounded to it, unless the cache holds float32. Two keys (or two elements
/// of a key) are taken at once, in rising order.
const AttentionProducts& attention_products(Isa isa, CacheType k_type, CacheType v_type);

namespace generic {
extern const AttentionKernels kAttentionKernels;
}
namespace avx2 {
extern const AttentionKernels kAttentionKernels;
}
namespace avx512 {
extern const AttentionKernels kAttentionKernels;
extern const AttentionProducts kBf16AttentionProducts;
}  // namespace avx512

}  // namespace lazyllm::kernels::cpu
