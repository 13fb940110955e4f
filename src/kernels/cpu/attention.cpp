// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

#include "kernels/cpu/attention_scratch.h"
#include "kernels/cpu/kv_rows.h"
#include "kernels/cpu/parallel.h"

namespace lazyllm::kernels::cpu {
namespace {

// Lanes of a tile: enough to pay for converting a block of keys, few enough for the scores to
// stay in L2; fewer when there would not be some tasks for each thread.
constexpr int64_t kTileLanes = 192;
constexpr int64_t kMinTileLanes = 48;
constexpr int64_t kTasksPerThread = 4;

// Work (multiplications) below which waking other threads costs more than it gains.
constexpr int64_t kInlineWork = 1 << 17;

AttentionPartial carve_partial(float*& next, int64_t lanes, int padded_dim) {
  AttentionPartial partial;
  partial.values = next;
  next += lanes * padded_dim;
  partial.maximum = next;
  next += round_up(lanes);
  partial.sum = next;
  next += round_up(lanes);
  return partial;
}

int64_t partial_floats(int64_t lanes, int padded_dim) {
  return lanes * padded_dim + 2 * round_up(lanes);
}

constexpr double kLog2E = 1.4426950408889634;

/// What a head's sink adds to the sum of the powers above `maximum` (in units of log2). Infinity
/// where it towers over all keys: the head's output is 0 then, as it should be.
float sink_power(const float* sinks, int head, float maximum) {
  return std::exp2(static_cast<float>(static_cast<double>(sinks[head]) * kLog2E) - maximum);
}

/// Sum of the absolute values; in sixteen sums, so that the compiler takes several at a time.
float absolute_sum(std::span<const float> values) {
  constexpr size_t kSums = 16;
  std::array<float, kSums> sums{};
  for (size_t i = 0; i < values.size(); ++i) sums[i % kSums] += std::abs(values[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0f);
}

}  // namespace

/// One call, cut into tiles of rows. Chunks are numbered from key 0 of the list.
struct Attention::Call {
  const AttentionInput* input;
  const AttentionProducts* products;
  int group;
  int padded_dim;
  int64_t rows;
  int64_t tile_rows;
  int64_t tiles;
  int64_t lanes;        ///< of a full tile
  int64_t first_chunk;  ///< of all rows
  int64_t end_chunk;
  int64_t work;  ///< multiplications, about
  float scale;   ///< as in AttentionTile
  float soft_cap;

  Call(const AttentionInput& in, const AttentionProducts& arithmetic, int64_t max_lanes,
       ScoreKind kind)
      : input(&in), products(&arithmetic) {
    const KvLayout& layout = in.cache.layout;
    group = in.heads / layout.kv_heads;

    padded_dim = static_cast<int>(round_up(layout.head_dim));
    rows = in.queries.rows;
    tile_rows = std::clamp<int64_t>(max_lanes / group, 1, rows);
    tiles = (rows + tile_rows - 1) / tile_rows;
    lanes = tile_rows * group;
    // Scores in units of log2 save a multiplication each; a cap works on natural ones.
    const double factor = kind == ScoreKind::dot ? 1.0
                          : in.soft_cap > 0.0f   ? 1.0 / static_cast<double>(in.soft_cap)
                                                 : kLog2E;
    scale = static_cast<float>(static_cast<double>(in.scale) * factor);
    soft_cap = static_cast<float>(static_cast<double>(in.soft_cap) * kLog2E);
    int64_t keys = 0;
    int32_t first = INT32_MAX;
    int32_t end = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const auto i = static_cast<size_t>(r);
      keys += in.end_key[i] - in.first_key[i];
      first = std::min(first, in.first_key[i]);
      end = std::max(end, in.end_key[i]);
    }
    first_chunk = first / kChunkKeys;
    end_chunk = (int64_t{end} + kChunkKeys - 1) / kChunkKeys;
    work = keys * in.heads * layout.head_dim * 2;
  }

  AttentionTile tile(int64_t index, int kv_head) const {
    const KvLayout& layout = input->cache.layout;
    const int64_t row = index * tile_rows;
    AttentionTile tile;
    tile.queries = input->queries.row(row) + int64_t{kv_head} * group * layout.head_dim;
    tile.query_stride = input->queries.stride;
    tile.rows = static_cast<int>(std::min(tile_rows, rows - row));
    tile.group = group;
    tile.head_dim = layout.head_dim;
    tile.padded_dim = padded_dim;
    tile.first_key = input->first_key.data() + row;
    tile.end_key = input->end_key.data() + row;
    tile.common_first = *std::max_element(tile.first_key, tile.first_key + tile.rows);
    tile.common_end = *std::min_element(tile.end_key, tile.end_key + tile.rows);
    tile.key_slots = input->key_slots.data() + kv_head * input->list_stride;
    tile.blocks = input->cache.blocks.data();
    tile.key_offset = layout.key_offset(kv_head, 0);
    tile.value_offset = layout.value_offset(kv_head, 0);
    tile.k_row_bytes = layout.k_row_bytes();
    tile.v_row_bytes = layout.v_row_bytes();
    tile.k_type = layout.k_type;
    tile.v_type = layout.v_type;
    tile.scale = scale;
    tile.soft_cap = soft_cap;
    return tile;
  }

  /// Once all keys are in `total`.
  void add_sinks(const AttentionTile& tile, int kv_head, const AttentionPartial& total) const {
    if (input->sinks == nullptr) return;
    for (int lane = 0; lane < tile.rows * tile.group; ++lane) {
      const int head = kv_head * group + lane % group;
      total.sum[lane] += sink_power(input->sinks, head, total.maximum[lane]);
    }
  }

  float* output(FloatRows out, int64_t index, int kv_head) const {
    return out.row(index * tile_rows) + int64_t{kv_head} * group * input->cache.layout.head_dim;
  }
};

Attention::Attention(Isa isa, ThreadPool& pool)
    : isa_(isa),
      kernels_(attention_kernels(isa)),
      pool_(pool),
      worker_scratch_(static_cast<size_t>(pool.threads())) {}

void Attention::attend(const AttentionInput& input, FloatRows out) {
  if (input.queries.rows == 0) return;
  const int64_t pairs = input.queries.rows * input.heads;  // lanes of all tiles
  int64_t lanes = kTileLanes;
  while (lanes > kMinTileLanes && pairs / lanes < kTasksPerThread * pool_.threads()) lanes /= 2;
  const KvLayout& layout = input.cache.layout;
  const AttentionProducts& products = attention_products(isa_, layout.k_type, layout.v_type);
  const Call call(input, products, lanes, ScoreKind::probability);
  const int64_t tasks = call.tiles * layout.kv_heads;
  if (tasks < kTasksPerThread * pool_.threads() && pool_.threads() > 1 &&
      call.work >= kInlineWork) {
    attend_chunks(call, out);
  } else {
    attend_tiles(call, out);
  }
}

// Many rows: a task is a tile of rows and a kv head, with all keys.
void Attention::attend_tiles(const Call& call, FloatRows out) {
  const int kv_heads = call.input->cache.layout.kv_heads;
  const int64_t floats =
      scratch_floats(call.lanes, call.padded_dim) + 2 * partial_floats(call.lanes, call.padded_dim);
  auto task = [&](int64_t index, int worker) {
    // The last tiles see the most keys: they come first, so that no thread ends up with one alone.
    const int64_t tile_index = call.tiles - 1 - index / kv_heads;
    const int kv_head = static_cast<int>(index % kv_heads);
    const AttentionTile tile = call.tile(tile_index, kv_head);
    const int64_t lanes = int64_t{tile.rows} * tile.group;
    float* next = worker_scratch_[static_cast<size_t>(worker)].floats(static_cast<size_t>(floats));
    const AttentionScratch scratch = carve_scratch(next, call.lanes, call.padded_dim);
    AttentionPartial total = carve_partial(next, call.lanes, call.padded_dim);
    AttentionPartial part = carve_partial(next, call.lanes, call.padded_dim);
    const int32_t first = *std::min_element(tile.first_key, tile.first_key + tile.rows);
    const int32_t end = *std::max_element(tile.end_key, tile.end_key + tile.rows);
    call.products->prepare(tile, scratch);
    int64_t chunk = first / kChunkKeys;
    call.products->chunk(tile, scratch, chunk, total);
    for (++chunk; chunk * kChunkKeys < end; ++chunk) {
      call.products->chunk(tile, scratch, chunk, part);
      kernels_.fold(lanes, call.padded_dim, part, total);
    }
    call.add_sinks(tile, kv_head, total);
    kernels_.finish(tile, total, call.output(out, tile_index, kv_head), out.stride);
  };
  parallel_for(pool_, call.tiles * kv_heads, call.work >= kInlineWork, task);
}

// Few rows: a task is one chunk of keys; the results are folded together in a second loop.
void Attention::attend_chunks(const Call& call, FloatRows out) {
  const int kv_heads = call.input->cache.layout.kv_heads;
  const int64_t chunks = call.end_chunk - call.first_chunk;
  const int64_t pairs = call.tiles * kv_heads;
  const int64_t floats = partial_floats(call.lanes, call.padded_dim);
  float* partials = shared_scratch_.floats(static_cast<size_t>(pairs * chunks * floats));
  const auto partial = [&](int64_t pair, int64_t chunk) {
    float* next = partials + (pair * chunks + chunk) * floats;
    return carve_partial(next, call.lanes, call.padded_dim);
  };
  auto attend_chunk = [&](int64_t index, int worker) {
    const int64_t pair = index / chunks;
    const int64_t chunk = index % chunks;
    const AttentionTile tile = call.tile(pair / kv_heads, static_cast<int>(pair % kv_heads));
    float* next = worker_scratch_[static_cast<size_t>(worker)].floats(
        static_cast<size_t>(scratch_floats(call.lanes, call.padded_dim)));
    const AttentionScratch scratch = carve_scratch(next, call.lanes, call.padded_dim);
    call.products->prepare(tile, scratch);
    call.products->chunk(tile, scratch, call.first_chunk + chunk, partial(pair, chunk));
  };
  parallel_for(pool_, pairs * chunks, true, attend_chunk);
  auto finish = [&](int64_t pair, int) {
    const int64_t tile_index = pair / kv_heads;
    const int kv_head = static_cast<int>(pair % kv_heads);
    const AttentionTile tile = call.tile(tile_index, kv_head);
    const AttentionPartial total = partial(pair, 0);
    for (int64_t chunk = 1; chunk < chunks; ++chunk) {
      kernels_.fold(int64_t{tile.rows} * tile.group, call.padded_dim, partial(pair, chunk), total);
    }
    call.add_sinks(tile, kv_head, total);
    kernels_.finish(tile, total, call.output(out, tile_index, kv_head), out.stride);
  };
  parallel_for(pool_, pairs, pairs * chunks * floats > kInlineWork, finish);
}

void Attention::score(const AttentionInput& input, ScoreKind kind, std::span<float> scores) {
  std::fill(scores.begin(), scores.end(), 0.0f);
  const int64_t rows = input.queries.rows;
  if (kind == ScoreKind::value && rows > 0) measure_values(input);
  for (int64_t row = 0; row < rows; ++row) {
    AttentionInput one = input;
    one.queries = input.queries.slice(row, 1);
    one.first_key = input.first_key.subspan(static_cast<size_t>(row), 1);
    one.end_key = input.end_key.subspan(static_cast<size_t>(row), 1);
    if (kind == ScoreKind::dot) {  // the bare products: what is left is to sum them
      one.scale = 1.0f;
      one.soft_cap = 0.0f;
    }
    score_row(one, Call(one, kernels_.products, 1, kind), kind, scores);
  }
  if (kind == ScoreKind::peak) return;
  const float heads = input.head_weights.empty() ? static_cast<float>(input.heads) : 1.0f;
  const float factor = 1.0f / (heads * static_cast<float>(rows));
  for (float& score : scores) score *= factor;
}

// The size of each key's value, for each kv head, into norm_scratch_.
void Attention::measure_values(const AttentionInput& input) {
  const KvLayout& layout = input.cache.layout;
  const KvRowKernels& rows = kv_row_kernels(isa_);
  const int64_t keys = std::ssize(input.key_slots);
  const int64_t end = *std::max_element(input.end_key.begin(), input.end_key.end());
  float* const norms = norm_scratch_.floats(static_cast<size_t>((layout.kv_heads + 1) * keys));
  auto measure_chunk = [&](int64_t index, int worker) {
    const int kv_head = static_cast<int>(index % layout.kv_heads);
    const int64_t first = index / layout.kv_heads * kChunkKeys;
    const std::span<float> value{
        worker_scratch_[static_cast<size_t>(worker)].floats(static_cast<size_t>(layout.head_dim)),
        static_cast<size_t>(layout.head_dim)};
    for (int64_t key = first; key < std::min(keys, first + kChunkKeys); ++key) {
      if (key >= end) {  // nobody sees it: its slot may hold anything
        norms[kv_head * keys + key] = 0.0f;
        continue;
      }
      const int32_t slot = input.key_slots[static_cast<size_t>(key)];
      const std::byte* const block = input.cache.blocks[static_cast<size_t>(slot / kKvBlockSlots)];
      rows.decode(layout.v_type, block + layout.value_offset(kv_head, slot % kKvBlockSlots),
                  layout.head_dim, value.data());
      norms[kv_head * keys + key] = absolute_sum(value);
    }
  };
  const int64_t chunks = (keys + kChunkKeys - 1) / kChunkKeys;
  parallel_for(pool_, chunks * layout.kv_heads,
               keys * layout.kv_heads * layout.head_dim >= kInlineWork, measure_chunk);
}

// Takes in the scores of one query row, head by head.
void Attention::score_row(const AttentionInput& input, const Call& call, ScoreKind kind,
                          std::span<float> scores) {
  const int kv_heads = input.cache.layout.kv_heads;
  const int64_t chunks = call.end_chunk - call.first_chunk;
  const int64_t stride = chunks * kChunkKeys;
  // [heads][stride] scores, then [heads][chunks] maxima and sums, then [heads] of both.
  float* raw = shared_scratch_.floats(
      static_cast<size_t>(input.heads * (stride + 2 * chunks) + 2 * input.heads));
  float* maxima = raw + input.heads * stride;
  float* sums = maxima + input.heads * chunks;
  float* maximum = sums + input.heads * chunks;
  float* sum = maximum + input.heads;

  auto score_chunk = [&](int64_t index, int worker) {
    const int64_t chunk = index / kv_heads;
    const int kv_head = static_cast<int>(index % kv_heads);
    const AttentionTile tile = call.tile(0, kv_head);
    float* next = worker_scratch_[static_cast<size_t>(worker)].floats(
        static_cast<size_t>(scratch_floats(call.lanes, call.padded_dim)));
    const AttentionScratch scratch = carve_scratch(next, call.lanes, call.padded_dim);
    call.products->prepare(tile, scratch);
    const int64_t head = int64_t{kv_head} * call.group;
    kernels_.chunk_scores(tile, scratch, call.first_chunk + chunk,
                          raw + head * stride + chunk * kChunkKeys, stride,
                          maxima + chunk * input.heads + head, sums + chunk * input.heads + head);
  };
  parallel_for(pool_, chunks * kv_heads, call.work >= kInlineWork, score_chunk);

  for (int head = 0; head < input.heads; ++head) {
    float top = maxima[head];
    for (int64_t c = 1; c < chunks; ++c) top = std::max(top, maxima[c * input.heads + head]);
    float total = 0.0f;
    for (int64_t c = 0; c < chunks; ++c) {
      total += sums[c * input.heads + head] * kernels_.power(maxima[c * input.heads + head] - top);
    }
    if (input.sinks != nullptr) total += sink_power(input.sinks, head, top);
    maximum[head] = top;
    // A weight of 0 makes the sum infinite and every probability 0.
    sum[head] =
        input.head_weights.empty() ? total : total / input.head_weights[static_cast<size_t>(head)];
  }

  auto add_chunk = [&](int64_t chunk, int) {
    const int64_t key = (call.first_chunk + chunk) * kChunkKeys;
    const int64_t keys = std::min<int64_t>(kChunkKeys, static_cast<int64_t>(scores.size()) - key);
    for (int head = 0; head < input.heads; ++head) {
      const float* from = raw + head * stride + chunk * kChunkKeys;
      if (kind == ScoreKind::dot) {
        kernels_.add_scores(from, keys, scores.data() + key);
      } else if (kind == ScoreKind::value) {
        const int64_t all = std::ssize(scores);
        const float* const norms = norm_scratch_.floats(0) + head / call.group * all + key;
        float* const own = norm_scratch_.floats(0) + kv_heads * all + key;
        std::fill(own, own + keys, 0.0f);
        kernels_.add_probabilities(from, keys, maximum[head], sum[head], own);
        for (int64_t i = 0; i < keys; ++i)
          scores[static_cast<size_t>(key + i)] += own[i] * norms[i];
      } else if (kind == ScoreKind::peak) {
        kernels_.raise_to_probabilities(from, keys, maximum[head], sum[head], scores.data() + key);
      } else {
        kernels_.add_probabilities(from, keys, maximum[head], sum[head], scores.data() + key);
      }
    }
  };
  parallel_for(pool_, chunks, input.heads * stride > kInlineWork, add_chunk);
}

const AttentionKernels& attention_kernels(Isa isa) {
#if defined(__x86_64__)
  if (has_avx512_vectors(isa)) return avx512::kAttentionKernels;
  if (has_avx2_vectors(isa)) return avx2::kAttentionKernels;
#endif
  static_cast<void>(isa);
  return generic::kAttentionKernels;
}

const AttentionProducts& attention_products(Isa isa, CacheType k_type, CacheType v_type) {
#if defined(__x86_64__)
  if (isa == Isa::avx512_bf16 && k_type != CacheType::f32 && v_type != CacheType::f32) {
    return avx512::kBf16AttentionProducts;
  }
#endif
  static_cast<void>(k_type);
  static_cast<void>(v_type);
  return attention_kernels(isa).products;
}

}  // namespace lazyllm::kernels::cpu
