// SPDX-License-Identifier: Apache-2.0
// Attention in float32. Included once by attention_<isa>.cpp, after simd_<isa>.h, with LAZYLLM_ISA
// set.
#include "kernels/cpu/attention_softmax_inl.h"
#include "kernels/cpu/kv_rows_inl.h"
#include "kernels/cpu/product_inl.h"

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

/// Rows [kBlockKeys][padded_dim] of float32 from rows of the cache; null rows are 0.
LAZYLLM_SIMD_INLINE void decode_rows(CacheType type, const std::byte* const* in, int head_dim,
                                     int padded_dim, float* rows) {
  for (int key = 0; key < kBlockKeys; ++key, rows += padded_dim) {
    if (in[key] == nullptr) {
      clear(rows, padded_dim);
      continue;
    }
    decode_row(type, in[key], head_dim, rows);
    for (int d = head_dim; d < padded_dim; ++d) rows[d] = 0.0f;
  }
}

/// kWidth values from `d` on of the rows of the cache, for transpose().
struct HalfRows {
  const std::byte* const* rows;
  int d;
  LAZYLLM_SIMD_INLINE Vec operator()(int i) const {
    return load_f16(reinterpret_cast<const uint16_t*>(rows[i]) + d);
  }
};
struct FloatRowPointers {
  const std::byte* const* rows;
  int d;
  LAZYLLM_SIMD_INLINE Vec operator()(int i) const {
    return load(reinterpret_cast<const float*>(rows[i]) + d);
  }
};
struct QuantRows {
  const std::byte* const* rows;
  int d;
  LAZYLLM_SIMD_INLINE Vec operator()(int i) const { return load_q8_0(rows[i], d); }
};
struct DecodedRows {
  const float* rows;
  int stride;
  LAZYLLM_SIMD_INLINE Vec operator()(int i) const { return load(rows + i * stride); }
};

template <typename Rows>
LAZYLLM_SIMD_INLINE void transpose_rows(const std::byte* const* in, int head_dim, float* keys) {
  for (int key = 0; key < kBlockKeys; key += kWidth) {
    for (int d = 0; d < head_dim; d += kWidth) {
      transpose(Rows{in + key, d}, keys + d * kBlockKeys + key, kBlockKeys);
    }
  }
}

/// A block's keys as scratch.keys[d][key]; 0 where not visible.
void load_keys(const AttentionTile& tile, const AttentionScratch& scratch, int64_t block_key,
               uint64_t mask) {
  const std::byte* rows[kBlockKeys];
  const bool direct = tile.head_dim % kWidth == 0;
  find_rows<key_row>(tile, block_key, mask, direct ? unseen_row(tile, scratch, mask) : nullptr,
                     rows);
  if (!direct) {
    decode_rows(tile.k_type, rows, tile.head_dim, tile.padded_dim, scratch.rows);
    for (int key = 0; key < kBlockKeys; key += kWidth) {
      for (int d = 0; d < tile.padded_dim; d += kWidth) {
        transpose(DecodedRows{scratch.rows + key * tile.padded_dim + d, tile.padded_dim},
                  scratch.keys + d * kBlockKeys + key, kBlockKeys);
      }
    }
    return;
  }
  switch (tile.k_type) {
    case CacheType::f16:
      transpose_rows<HalfRows>(rows, tile.head_dim, scratch.keys);
      break;
    case CacheType::f32:
      transpose_rows<FloatRowPointers>(rows, tile.head_dim, scratch.keys);
      break;
    case CacheType::q8_0:
      transpose_rows<QuantRows>(rows, tile.head_dim, scratch.keys);
      break;
  }
}

/// A block's values as scratch.rows[key][d]; 0 where not visible.
void load_values(const AttentionTile& tile, const AttentionScratch& scratch, int64_t block_key,
                 uint64_t mask) {
  const std::byte* rows[kBlockKeys];
  find_rows<value_row>(tile, block_key, mask, nullptr, rows);
  decode_rows(tile.v_type, rows, tile.head_dim, tile.padded_dim, scratch.rows);
}

// Keys of few lanes are transposed as halves, and converted inside the product as their values are.
LAZYLLM_SIMD_INLINE bool few_lanes(const AttentionTile& tile, CacheType type) {
  return tile.rows * tile.group <= kFewLanes && type == CacheType::f16 &&
         tile.head_dim % (2 * kWidth) == 0;
}

struct HalfPointers {
  const std::byte* const* rows;
  int d;
  LAZYLLM_SIMD_INLINE const uint16_t* operator()(int i) const {
    return reinterpret_cast<const uint16_t*>(rows[i]) + d;
  }
};

/// A block's keys, as halves: keys[d][key]; 0 where not visible. Their values, wanted soon, are on
/// their way to the cache.
void load_key_halves(const AttentionTile& tile, const AttentionScratch& scratch, int64_t block_key,
                     uint64_t mask, uint16_t* keys) {
  const std::byte* rows[kBlockKeys];
  find_rows<key_row>(tile, block_key, mask, unseen_row(tile, scratch, mask), rows);
  prefetch_values(tile, block_key, mask);
  for (int key = 0; key < kBlockKeys; key += kWidth) {
    for (int d = 0; d < tile.head_dim; d += 2 * kWidth) {
      transpose_halves(HalfPointers{rows + key, d}, keys + d * kBlockKeys + key, kBlockKeys);
    }
  }
}

void prepare(const AttentionTile& tile, const AttentionScratch& scratch) {
  float* out = scratch.queries;
  for (int row = 0; row < tile.rows; ++row) {
    const float* in = tile.queries + row * tile.query_stride;
    for (int head = 0; head < tile.group; ++head, in += tile.head_dim, out += tile.padded_dim) {
      for (int d = 0; d < tile.head_dim; ++d) out[d] = in[d] * tile.scale;
      for (int d = tile.head_dim; d < tile.padded_dim; ++d) out[d] = 0.0f;
    }
  }
}

/// Products of all lanes with the visible keys of a block.
template <typename Keys>
LAZYLLM_SIMD_INLINE void score_block(const AttentionTile& tile, const AttentionScratch& scratch,
                                     int64_t block_key, const Keys& keys, float* scores,
                                     int64_t stride) {
  const int lanes = tile.rows * tile.group;
  for (int lane = 0; lane < lanes; lane += kTileRows) {
    const int count = lanes - lane < kTileRows ? lanes - lane : kTileRows;
    const Range range = visible_to_lanes(tile, lane, count, block_key);
    if (range.empty()) continue;
    const int first = range.first / kWidth * kWidth;
    const int vectors = (range.end - first + kWidth - 1) / kWidth;
    product<false>(count,
                   FloatLanes{scratch.queries + int64_t{lane} * tile.padded_dim, tile.padded_dim},
                   Keys{keys.data + first, keys.stride}, tile.head_dim, vectors,
                   scores + lane * stride + first, stride);
  }
}

/// Products of all lanes with the visible keys of a chunk; others stay undefined.
LAZYLLM_SIMD_INLINE void score_chunk(const AttentionTile& tile, const AttentionScratch& scratch,
                                     int64_t chunk_key, float* scores, int64_t stride) {
  const bool few = few_lanes(tile, tile.k_type);
  auto* halves = reinterpret_cast<uint16_t*>(scratch.keys);
  for (int block = 0; block < kChunkKeys; block += kBlockKeys) {
    const int64_t block_key = chunk_key + block;
    const uint64_t mask = visible_mask(tile, block_key);
    if (mask == 0) continue;
    if (few) {
      load_key_halves(tile, scratch, block_key, mask, halves);
      score_block(tile, scratch, block_key, HalfMatrix{halves, kBlockKeys}, scores + block, stride);
    } else {
      load_keys(tile, scratch, block_key, mask);
      score_block(tile, scratch, block_key, FloatMatrix{scratch.keys, kBlockKeys}, scores + block,
                  stride);
    }
  }
}

/// out.values += weights of a block's keys, from scores[lane * kChunkKeys] on, times their values.
template <typename Values>
LAZYLLM_SIMD_INLINE void add_block(const AttentionTile& tile, int64_t block_key,
                                   const float* weights, const Values& values,
                                   const AttentionPartial& out) {
  const int lanes = tile.rows * tile.group;
  for (int lane = 0; lane < lanes; lane += kTileRows) {
    const int count = lanes - lane < kTileRows ? lanes - lane : kTileRows;
    const Range range = visible_to_lanes(tile, lane, count, block_key);
    if (range.empty()) continue;
    product<true>(count, FloatLanes{weights + int64_t{lane} * kChunkKeys + range.first, kChunkKeys},
                  values(range.first), range.end - range.first, tile.padded_dim / kWidth,
                  out.values + int64_t{lane} * tile.padded_dim, tile.padded_dim);
  }
}

/// out.values = weights in scratch.scores times the values of a chunk's visible keys.
LAZYLLM_SIMD_INLINE void add_values(const AttentionTile& tile, const AttentionScratch& scratch,
                                    int64_t chunk_key, const AttentionPartial& out) {
  const bool few = few_lanes(tile, tile.v_type);
  clear(out.values, int64_t{tile.rows} * tile.group * tile.padded_dim);
  for (int block = 0; block < kChunkKeys; block += kBlockKeys) {
    const int64_t block_key = chunk_key + block;
    const uint64_t mask = visible_mask(tile, block_key);
    if (mask == 0) continue;
    const float* weights = scratch.scores + block;
    if (few) {
      const std::byte* rows[kBlockKeys];
      find_rows<value_row>(tile, block_key, mask, unseen_row(tile, scratch, mask), rows);
      const auto from = [&](int key) { return HalfRowList{rows + key}; };
      add_block(tile, block_key, weights, from, out);
    } else {
      load_values(tile, scratch, block_key, mask);
      const auto from = [&](int key) {
        return FloatMatrix{scratch.rows + int64_t{key} * tile.padded_dim, tile.padded_dim};
      };
      add_block(tile, block_key, weights, from, out);
    }
  }
}

void chunk(const AttentionTile& tile, const AttentionScratch& scratch, int64_t chunk_index,
           const AttentionPartial& out) {
  const int64_t chunk_key = chunk_index * kChunkKeys;
  score_chunk(tile, scratch, chunk_key, scratch.scores, kChunkKeys);
  weigh_chunk<float>(tile, scratch, chunk_key, out);
  add_values(tile, scratch, chunk_key, out);
}

void fold(int64_t lanes, int padded_dim, const AttentionPartial& next,
          const AttentionPartial& total) {
  for (int64_t i = 0; i < lanes; ++i) {
    if (next.maximum[i] == kMinusInfinity) continue;
    float* to = total.values + i * padded_dim;
    const float* from = next.values + i * padded_dim;
    if (total.maximum[i] == kMinusInfinity) {
      total.maximum[i] = next.maximum[i];
      total.sum[i] = next.sum[i];
      std::memcpy(to, from, static_cast<size_t>(padded_dim) * sizeof(float));
      continue;
    }
    const float top = next.maximum[i] > total.maximum[i] ? next.maximum[i] : total.maximum[i];
    const float keep = power(total.maximum[i] - top);
    const float take = power(next.maximum[i] - top);
    total.maximum[i] = top;
    total.sum[i] = total.sum[i] * keep + next.sum[i] * take;
    for (int d = 0; d < padded_dim; d += kWidth) {
      const Vec old = mul(load(to + d), broadcast(keep));
      store(to + d, multiply_add(load(from + d), broadcast(take), old));
    }
  }
}

void finish(const AttentionTile& tile, const AttentionPartial& total, float* out,
            int64_t out_stride) {
  const int head_dim = tile.head_dim;
  for (int row = 0; row < tile.rows; ++row) {
    for (int head = 0; head < tile.group; ++head) {
      const int64_t lane = int64_t{row} * tile.group + head;
      const float* values = total.values + lane * tile.padded_dim;
      float* to = out + row * out_stride + int64_t{head} * head_dim;
      const Vec inverse = broadcast(1.0f / total.sum[lane]);
      for (int d = 0; d < head_dim; d += kWidth) {
        // + 0: a zero is positive however many unseen keys were added to it.
        const Vec v = add(mul(load(values + d), inverse), zero());
        if (d + kWidth <= head_dim) {
          store(to + d, v);
        } else {
          store_first(to + d, v, head_dim - d);
        }
      }
    }
  }
}

void chunk_scores(const AttentionTile& tile, const AttentionScratch& scratch, int64_t chunk_index,
                  float* scores, int64_t stride, float* maximum, float* sum) {
  const int lanes = tile.rows * tile.group;
  const int64_t chunk_key = chunk_index * kChunkKeys;
  score_chunk(tile, scratch, chunk_key, scores, stride);
  for (int lane = 0; lane < lanes; ++lane) {
    float* lane_scores = scores + lane * stride;
    const Range range = visible(tile, lane / tile.group, chunk_key, kChunkKeys);
    maximum[lane] = kMinusInfinity;
    sum[lane] = 0.0f;
    if (!range.empty()) {
      softmax(tile.soft_cap, range, lane_scores, scratch.scores, maximum[lane], sum[lane]);
    }
    fill(lane_scores, 0, range.empty() ? kChunkKeys : range.first, kMinusInfinity);
    fill(lane_scores, range.end, kChunkKeys, kMinusInfinity);
  }
}

void chunk_similarities(const AttentionTile& tile, const AttentionScratch& scratch,
                        int64_t chunk_index, float* best) {
  constexpr float kSmallest = 1e-30f;  // a key of zeros is like none
  const int lanes = tile.rows * tile.group;
  const int64_t chunk_key = chunk_index * kChunkKeys;
  for (int block = 0; block < kChunkKeys; block += kBlockKeys) {
    const uint64_t mask = visible_mask(tile, chunk_key + block);
    if (mask == 0) continue;
    load_keys(tile, scratch, chunk_key + block, mask);
    float* products = scratch.scores + block;
    score_block(tile, scratch, chunk_key + block, FloatMatrix{scratch.keys, kBlockKeys}, products,
                kChunkKeys);
    for (int key = 0; key < kBlockKeys; key += kWidth) {
      Vec squares = broadcast(kSmallest);
      for (int d = 0; d < tile.head_dim; ++d) {
        const Vec x = load(scratch.keys + d * kBlockKeys + key);
        squares = multiply_add(x, x, squares);
      }
      Vec top = load(products + key);
      for (int lane = 1; lane < lanes; ++lane) {
        top = max(top, load(products + int64_t{lane} * kChunkKeys + key));
      }
      float lengths[kWidth];
      store(lengths, squares);
      for (int i = 0; i < kWidth; ++i) lengths[i] = 1.0f / __builtin_sqrtf(lengths[i]);
      store(best + block + key, mul(top, load(lengths)));
    }
  }
}

template <bool kHighest>
void take_probabilities(const float* scores, int64_t keys, float maximum, float sum, float* total) {
  const Vec top = broadcast(maximum);
  const Vec inverse = broadcast(1.0f / sum);
  for (int64_t i = 0; i < keys; i += kWidth) {
    const bool whole = i + kWidth <= keys;
    const int n = whole ? kWidth : static_cast<int>(keys - i);
    const Vec s = whole ? load(scores + i) : load_first(scores + i, n);
    const Vec x = sub(s, top);
    const Vec p = keep_if_not_less(x, broadcast(kLowest), power_of_two_nonpositive(x));
    const Vec so_far = whole ? load(total + i) : load_first(total + i, n);
    const Vec taken = kHighest ? max(mul(p, inverse), so_far) : multiply_add(p, inverse, so_far);
    if (whole) {
      store(total + i, taken);
    } else {
      store_first(total + i, taken, n);
    }
  }
}

void add_scores(const float* scores, int64_t keys, float* total) {
  const Vec hidden = broadcast(kMinusInfinity);
  for (int64_t i = 0; i < keys; i += kWidth) {
    const bool whole = i + kWidth <= keys;
    const int n = whole ? kWidth : static_cast<int>(keys - i);
    const Vec s = load(scores + i);  // whole blocks stand here
    const Vec seen = select_greater(s, hidden, s, zero());
    if (whole) {
      store(total + i, add(load(total + i), seen));
    } else {
      store_first(total + i, add(load_first(total + i, n), seen), n);
    }
  }
}

float scalar_power(float x) {
  return power(x);
}

}  // namespace

const AttentionKernels kAttentionKernels = {{prepare, chunk},
                                            fold,
                                            finish,
                                            chunk_scores,
                                            chunk_similarities,
                                            take_probabilities<false>,
                                            take_probabilities<true>,
                                            add_scores,
                                            scalar_power};

}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
