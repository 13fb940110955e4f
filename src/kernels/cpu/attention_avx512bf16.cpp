// SPDX-License-Identifier: Apache-2.0
// Products of attention with AVX-512 BF16. What a lane meets is converted to BF16 in pairs:
// elements 2p and 2p + 1 of a query and a key, weights and values of the keys 2p and 2p + 1.
#include "kernels/cpu/simd_avx512.h"
#define LAZYLLM_ISA avx512
#include "kernels/cpu/attention_softmax_inl.h"
#include "kernels/cpu/kv_rows_inl.h"
#include "kernels/cpu/product_inl.h"

namespace lazyllm::kernels::cpu::avx512 {
namespace {

struct Bf16 {
  uint16_t bits;
};

/// BF16 numbers of `low` in front of those of `high`.
LAZYLLM_SIMD_INLINE __m512i round_to_bf16(Vec low, Vec high) {
  return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
}

/// weigh_step() finds it by the namespace of Bf16.
LAZYLLM_SIMD_INLINE void store(Bf16* out, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
}

/// Element i of `low` and of `high` side by side, as BF16.
LAZYLLM_SIMD_INLINE __m512i pairs_of(Vec low, Vec high) {
  alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                      21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                      11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), round_to_bf16(low, high));
}

// The matrices of a product, as in product_inl.h; k counts pairs.

struct Bf16Lanes {
  const Bf16* data;
  int64_t stride;
  LAZYLLM_SIMD_INLINE __m512bh operator()(int r, int k) const {
    int32_t pair;
    std::memcpy(&pair, data + r * stride + 2 * k, sizeof pair);
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
  }
  LAZYLLM_SIMD_INLINE static Vec add_product(__m512bh x, __m512bh column, Vec sum) {
    return _mm512_dpbf16_ps(sum, column, x);
  }
};

struct PairMatrix {
  const uint32_t* data;
  int64_t stride;
  LAZYLLM_SIMD_INLINE __m512bh operator()(int k, int j) const {
    return reinterpret_cast<__m512bh>(_mm512_loadu_si512(data + k * stride + j * kWidth));
  }
};

/// Elements d .. d + 15 of a row of the cache.
template <CacheType kType>
LAZYLLM_SIMD_INLINE Vec load_elements(const std::byte* row, int d) {
  if constexpr (kType == CacheType::f16) {
    return load_f16(reinterpret_cast<const uint16_t*>(row) + d);
  } else {
    static_assert(kType == CacheType::q8_0);
    return load_q8_0(row, d);
  }
}

/// Pairs of rows of the cache, converted on the way.
template <CacheType kType>
struct RowPairs {
  const std::byte* const* rows;
  LAZYLLM_SIMD_INLINE __m512bh operator()(int k, int j) const {
    return reinterpret_cast<__m512bh>(pairs_of(load_elements<kType>(rows[2 * k], j * kWidth),
                                               load_elements<kType>(rows[2 * k + 1], j * kWidth)));
  }
};

void prepare(const AttentionTile& tile, const AttentionScratch& scratch) {
  auto* out = reinterpret_cast<Bf16*>(scratch.queries);
  const Vec scale = broadcast(tile.scale);
  for (int row = 0; row < tile.rows; ++row) {
    const float* in = tile.queries + row * tile.query_stride;
    for (int head = 0; head < tile.group; ++head, in += tile.head_dim, out += tile.padded_dim) {
      for (int d = 0; d < tile.padded_dim; d += kWidth) {
        const int left = tile.head_dim - d;
        store(out + d, mul(left >= kWidth ? load(in + d) : load_first(in + d, left), scale));
      }
    }
  }
}

constexpr int kPairVector = 2 * kWidth;  ///< elements in a vector of pairs

/// 32 elements of the rows of the cache, as 16 pairs in the disguise of floats, for transpose().
template <CacheType kType>
struct RowsInPairs {
  const std::byte* const* rows;
  int d;
  LAZYLLM_SIMD_INLINE Vec operator()(int i) const {
    return _mm512_castsi512_ps(
        round_to_bf16(load_elements<kType>(rows[i], d), load_elements<kType>(rows[i], d + kWidth)));
  }
};

struct DecodedRowsInPairs {
  const float* data;
  int stride;
  bool whole;  ///< not only 16 elements
  LAZYLLM_SIMD_INLINE Vec operator()(int i) const {
    const float* row = data + i * stride;
    return _mm512_castsi512_ps(round_to_bf16(load(row), whole ? load(row + kWidth) : zero()));
  }
};

/// Other rows, of halves, are made float32 first.
LAZYLLM_SIMD_INLINE bool is_direct(const AttentionTile& tile) {
  return tile.head_dim % kPairVector == 0;
}

/// Sixteen rows of halves as floats, in scratch.rows; null rows are 0.
void decode_sixteen(const std::byte* const* in, const AttentionTile& tile,
                    const AttentionScratch& scratch) {
  for (int key = 0; key < kWidth; ++key) {
    float* row = scratch.rows + key * tile.padded_dim;
    clear(row, tile.padded_dim);
    if (in[key] != nullptr) decode_f16(in[key], tile.head_dim, row);
  }
}

template <CacheType kType>
void convert_keys(const std::byte* const* rows, int head_dim, float* keys) {
  for (int key = 0; key < kBlockKeys; key += kWidth) {
    for (int d = 0; d < head_dim; d += kPairVector) {
      transpose(RowsInPairs<kType>{rows + key, d}, keys + d / 2 * kBlockKeys + key, kBlockKeys);
    }
  }
}

/// A block's keys as scratch.keys[pair of elements][key]; 0 where not visible.
void load_key_pairs(const AttentionTile& tile, const AttentionScratch& scratch, int64_t block_key,
                    uint64_t mask) {
  const std::byte* rows[kBlockKeys];
  if (is_direct(tile)) {
    find_rows<key_row>(tile, block_key, mask, unseen_row(tile, scratch, mask), rows);
    if (tile.rows * tile.group <= kFewLanes) prefetch_values(tile, block_key, mask);
    tile.k_type == CacheType::f16
        ? convert_keys<CacheType::f16>(rows, tile.head_dim, scratch.keys)
        : convert_keys<CacheType::q8_0>(rows, tile.head_dim, scratch.keys);
    return;
  }
  find_rows<key_row>(tile, block_key, mask, nullptr, rows);
  for (int key = 0; key < kBlockKeys; key += kWidth) {
    decode_sixteen(rows + key, tile, scratch);
    for (int d = 0; d < tile.padded_dim; d += kPairVector) {
      const bool whole = d + kPairVector <= tile.padded_dim;
      transpose(DecodedRowsInPairs{scratch.rows + d, tile.padded_dim, whole},
                scratch.keys + d / 2 * kBlockKeys + key, kBlockKeys);
    }
  }
}

template <CacheType kType>
void convert_values(const std::byte* const* rows, int head_dim, uint32_t* values) {
  for (int key = 0; key < kBlockKeys; key += 2) {
    const RowPairs<kType> pair{rows + key};
    for (int d = 0; d < head_dim; d += kWidth, values += kWidth) {
      _mm512_storeu_si512(values, reinterpret_cast<__m512i>(pair(0, d / kWidth)));
    }
  }
}

/// A block's values as [pair of keys][padded_dim] in scratch.keys; 0 where not visible.
void load_value_pairs(const AttentionTile& tile, const AttentionScratch& scratch, int64_t block_key,
                      uint64_t mask) {
  auto* values = reinterpret_cast<uint32_t*>(scratch.keys);
  const std::byte* rows[kBlockKeys];
  if (is_direct(tile)) {
    find_rows<value_row>(tile, block_key, mask, unseen_row(tile, scratch, mask), rows);
    tile.v_type == CacheType::f16 ? convert_values<CacheType::f16>(rows, tile.head_dim, values)
                                  : convert_values<CacheType::q8_0>(rows, tile.head_dim, values);
    return;
  }
  find_rows<value_row>(tile, block_key, mask, nullptr, rows);
  for (int key = 0; key < kBlockKeys; key += 2) {
    if (key % kWidth == 0) decode_sixteen(rows + key, tile, scratch);
    const float* even = scratch.rows + key % kWidth * tile.padded_dim;
    for (int d = 0; d < tile.padded_dim; d += kWidth, values += kWidth) {
      _mm512_storeu_si512(values, pairs_of(load(even + d), load(even + tile.padded_dim + d)));
    }
  }
}

/// scratch.scores = products of all lanes with the visible keys of a chunk; others stay undefined.
LAZYLLM_SIMD_INLINE void score_chunk(const AttentionTile& tile, const AttentionScratch& scratch,
                                     int64_t chunk_key) {
  const int lanes = tile.rows * tile.group;
  const auto* queries = reinterpret_cast<const Bf16*>(scratch.queries);
  const auto* keys = reinterpret_cast<const uint32_t*>(scratch.keys);
  for (int block = 0; block < kChunkKeys; block += kBlockKeys) {
    const int64_t block_key = chunk_key + block;
    const uint64_t mask = visible_mask(tile, block_key);
    if (mask == 0) continue;
    load_key_pairs(tile, scratch, block_key, mask);
    for (int lane = 0; lane < lanes; lane += kTileRows) {
      const int count = lanes - lane < kTileRows ? lanes - lane : kTileRows;
      const Range range = visible_to_lanes(tile, lane, count, block_key);
      if (range.empty()) continue;
      const int first = range.first / kWidth * kWidth;
      const int vectors = (range.end - first + kWidth - 1) / kWidth;
      product<false>(count, Bf16Lanes{queries + int64_t{lane} * tile.padded_dim, tile.padded_dim},
                     PairMatrix{keys + first, kBlockKeys}, tile.padded_dim / 2, vectors,
                     scratch.scores + int64_t{lane} * kChunkKeys + block + first, kChunkKeys);
    }
  }
}

/// out.values += weights of a block's keys times their values: values(p) begins at pair p.
template <typename Values>
LAZYLLM_SIMD_INLINE void add_block(const AttentionTile& tile, int64_t block_key,
                                   const Bf16* weights, const Values& values,
                                   const AttentionPartial& out) {
  constexpr int64_t kStride = kChunkKeys * sizeof(float) / sizeof(Bf16);
  const int lanes = tile.rows * tile.group;
  for (int lane = 0; lane < lanes; lane += kTileRows) {
    const int count = lanes - lane < kTileRows ? lanes - lane : kTileRows;
    const Range range = visible_to_lanes(tile, lane, count, block_key);
    if (range.empty()) continue;
    const int first = range.first / 2;
    product<true>(count, Bf16Lanes{weights + lane * kStride + 2 * first, kStride}, values(first),
                  (range.end + 1) / 2 - first, tile.padded_dim / kWidth,
                  out.values + int64_t{lane} * tile.padded_dim, tile.padded_dim);
  }
}

template <CacheType kType>
void add_rows(const AttentionTile& tile, int64_t block_key, const Bf16* weights,
              const std::byte* const* rows, const AttentionPartial& out) {
  const auto from = [&](int pair) { return RowPairs<kType>{rows + 2 * pair}; };
  add_block(tile, block_key, weights, from, out);
}

/// out.values = weights in scratch.scores times the values of a chunk's visible keys.
LAZYLLM_SIMD_INLINE void add_values(const AttentionTile& tile, const AttentionScratch& scratch,
                                    int64_t chunk_key, const AttentionPartial& out) {
  const int lanes = tile.rows * tile.group;
  const bool few = lanes <= kFewLanes && is_direct(tile);
  clear(out.values, int64_t{lanes} * tile.padded_dim);
  for (int block = 0; block < kChunkKeys; block += kBlockKeys) {
    const int64_t block_key = chunk_key + block;
    const uint64_t mask = visible_mask(tile, block_key);
    if (mask == 0) continue;
    const Bf16* weights = reinterpret_cast<const Bf16*>(scratch.scores) + block;
    if (few) {
      const std::byte* rows[kBlockKeys];
      find_rows<value_row>(tile, block_key, mask, unseen_row(tile, scratch, mask), rows);
      tile.v_type == CacheType::f16
          ? add_rows<CacheType::f16>(tile, block_key, weights, rows, out)
          : add_rows<CacheType::q8_0>(tile, block_key, weights, rows, out);
    } else {
      load_value_pairs(tile, scratch, block_key, mask);
      const auto* values = reinterpret_cast<const uint32_t*>(scratch.keys);
      const auto from = [&](int pair) {
        return PairMatrix{values + int64_t{pair} * tile.padded_dim, tile.padded_dim};
      };
      add_block(tile, block_key, weights, from, out);
    }
  }
}

void chunk(const AttentionTile& tile, const AttentionScratch& scratch, int64_t chunk_index,
           const AttentionPartial& out) {
  const int64_t chunk_key = chunk_index * kChunkKeys;
  score_chunk(tile, scratch, chunk_key);
  weigh_chunk<Bf16>(tile, scratch, chunk_key, out);
  add_values(tile, scratch, chunk_key, out);
}

}  // namespace

const AttentionProducts kBf16AttentionProducts = {prepare, chunk};

}  // namespace lazyllm::kernels::cpu::avx512
