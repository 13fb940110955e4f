// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "distributed/wire.h"

// The operations of kernels::Backend as values: rank 0 writes them, a rank reads and runs them.
// fields() names what travels, once for both ways.
namespace lazyllm::distributed {

using kernels::ConstFloatRows;
using kernels::FloatRows;

struct Allocate {
  uint64_t address = 0, bytes = 0;
  template <typename Archive>
  void fields(Archive& a) {
    a(address, bytes);
  }
};
struct Free {
  uint64_t address = 0;
  template <typename Archive>
  void fields(Archive& a) {
    a(address);
  }
};
struct Upload {
  std::vector<float> values;
  float* to = nullptr;
  template <typename Archive>
  void fields(Archive& a) {
    a(values);
    a.values(to, std::ssize(values));
  }
};
/// Answered with the values.
struct Download {
  int64_t count = 0;
  const float* from = nullptr;
  template <typename Archive>
  void fields(Archive& a) {
    a(count);
    a.values(from, count);
  }
};
struct Copy {
  int64_t bytes = 0;
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
  template <typename Archive>
  void fields(Archive& a) {
    a(bytes);
    a.values(from, bytes);
    a.values(to, bytes);
  }
};

/// Rows of a matrix: of a tensor of the rank's own file, or, where `bytes` holds them, as sent.
struct MatrixPart {
  std::string name;  // for messages
  StorageType type = StorageType::f32;
  int64_t rows = 0, columns = 0;
  uint64_t tensor = 0, offset = 0, size = 0;  // bytes of the tensor's data
  std::vector<std::byte> bytes;
};
struct LoadWeight {
  uint64_t weight = 0;
  bool drop_source = false;
  std::vector<MatrixPart> parts;
  template <typename Archive>
  void fields(Archive& a) {
    uint64_t count = parts.size();
    a(weight, drop_source, count);
    parts.resize(count);
    for (MatrixPart& p : parts) {
      a(p.name, p.type, p.rows, p.columns, p.tensor, p.offset, p.size, p.bytes);
    }
  }
};
struct FreeWeight {
  uint64_t weight = 0;
  template <typename Archive>
  void fields(Archive& a) {
    a(weight);
  }
};

struct RmsNorm {
  ConstFloatRows in;
  const float* gamma = nullptr;
  float epsilon = 0.0f;
  FloatRows out;
  template <typename Archive>
  void fields(Archive& a) {
    a(in, epsilon, out);
    a.values(gamma, in.columns);
  }
};
struct Matmul {
  struct Target {
    uint64_t weight = 0;
    const float* bias = nullptr;
    FloatRows out;
    bool accumulate = false;
  };
  ConstFloatRows in;
  std::vector<Target> targets;
  template <typename Archive>
  void fields(Archive& a) {
    uint64_t count = targets.size();
    a(in, count);
    targets.resize(count);
    for (Target& t : targets) {
      a(t.weight, t.out, t.accumulate);
      a.values(t.bias, t.out.columns);
    }
  }
};
struct Rope {
  FloatRows rows;
  int heads = 0, head_dim = 0;
  std::vector<int32_t> positions;
  kernels::RopeTable table;
  template <typename Archive>
  void fields(Archive& a) {
    a(rows, heads, head_dim, positions);
    a(table.positions, table.rotated, table.interleaved);
    a.values(table.cos_sin, table.positions * table.rotated);
  }
};
struct GatedActivation {
  kernels::Activation activation = kernels::Activation::silu;
  ConstFloatRows gate, up;
  FloatRows out;
  template <typename Archive>
  void fields(Archive& a) {
    a(activation, gate, up, out);
  }
};
struct Add {
  FloatRows rows;
  ConstFloatRows other;
  template <typename Archive>
  void fields(Archive& a) {
    a(rows, other);
  }
};
struct Multiply {
  FloatRows rows;
  ConstFloatRows other;
  template <typename Archive>
  void fields(Archive& a) {
    a(rows, other);
  }
};
struct Gather {
  std::vector<const float*> rows;
  FloatRows tile;
  template <typename Archive>
  void fields(Archive& a) {
    a(tile);
    a.rows(rows, tile.columns);
  }
};
struct Scatter {
  ConstFloatRows tile;
  std::vector<float*> rows;
  template <typename Archive>
  void fields(Archive& a) {
    a(tile);
    a.rows(rows, tile.columns);
  }
};
struct ScatterAdd {
  ConstFloatRows tile;
  std::vector<float> scales;
  std::vector<float*> rows;
  template <typename Archive>
  void fields(Archive& a) {
    a(tile, scales);
    a.rows(rows, tile.columns);
  }
};

/// A layer's cache: its blocks by address.
struct Cache {
  kernels::KvLayout layout;
  std::vector<std::byte*> blocks;
  Cache() = default;
  explicit Cache(const kernels::KvLayerView& view)
      : layout(view.layout), blocks(view.blocks.begin(), view.blocks.end()) {}
  kernels::KvLayerView view() const { return {layout, blocks}; }
  template <typename Archive>
  void fields(Archive& a) {
    a(layout);
    a.rows(blocks, static_cast<int64_t>(layout.block_bytes()));
  }
};
struct AppendKv {
  Cache cache;
  std::vector<int32_t> slots;
  ConstFloatRows k, v;
  template <typename Archive>
  void fields(Archive& a) {
    cache.fields(a);
    a(slots, k, v);
  }
};
struct MoveKv {
  Cache from, to;
  std::vector<int32_t> from_slots, from_positions, to_slots, to_positions;
  bool turns = false;
  kernels::RopeTable table;
  template <typename Archive>
  void fields(Archive& a) {
    from.fields(a);
    to.fields(a);
    a(from_slots, from_positions, to_slots, to_positions, turns);
    a(table.positions, table.rotated, table.interleaved);
    a.values(table.cos_sin, table.positions * table.rotated);
  }
};
struct Attention {
  ConstFloatRows queries;
  int heads = 0;
  std::vector<int32_t> first_key, end_key, key_slots;
  Cache cache;
  float scale = 1.0f, soft_cap = 0.0f;
  std::vector<float> head_weights;
  const float* sinks = nullptr;
  int64_t list_stride = 0;
  FloatRows out;  // of attention

  // A new field travels, too, or is refused in RemoteBackend.
  static_assert(sizeof(kernels::AttentionInput) == 160);

  Attention() = default;
  explicit Attention(const kernels::AttentionInput& in)
      : queries(in.queries),
        heads(in.heads),
        first_key(in.first_key.begin(), in.first_key.end()),
        end_key(in.end_key.begin(), in.end_key.end()),
        key_slots(in.key_slots.begin(), in.key_slots.end()),
        cache(in.cache),
        scale(in.scale),
        soft_cap(in.soft_cap),
        head_weights(in.head_weights.begin(), in.head_weights.end()),
        sinks(in.sinks),
        list_stride(in.list_stride) {}
  kernels::AttentionInput input() const {
    return {.queries = queries,
            .heads = heads,
            .first_key = first_key,
            .end_key = end_key,
            .cache = cache.view(),
            .key_slots = key_slots,
            .scale = scale,
            .soft_cap = soft_cap,
            .head_weights = head_weights,
            .sinks = sinks,
            .list_stride = list_stride};
  }
  template <typename Archive>
  void fields(Archive& a) {
    a(queries, heads, first_key, end_key, key_slots, scale, soft_cap, head_weights, list_stride,
      out);
    cache.fields(a);
    a.values(sinks, heads);
  }
};
/// Answered with the scores of all keys.
struct AttentionScores {
  Attention attention;
  kernels::ScoreKind kind = kernels::ScoreKind::probability;
  template <typename Archive>
  void fields(Archive& a) {
    attention.fields(a);
    a(kind);
  }
};

/// Answered with the similarities, [kv_heads][key_slots].
struct KeySimilarities {
  ConstFloatRows queries;
  int heads = 0, representatives = 0;
  Cache cache;
  std::vector<int32_t> key_slots;
  template <typename Archive>
  void fields(Archive& a) {
    a(queries, heads, representatives, key_slots);
    cache.fields(a);
  }
};
struct Convolve {
  Cache cache;
  std::vector<int32_t> slots;
  int taps = 0;
  const float* weights = nullptr;
  const float* bias = nullptr;
  ConstFloatRows gate;
  FloatRows out;
  template <typename Archive>
  void fields(Archive& a) {
    cache.fields(a);
    a(slots, taps, gate, out);
    a.values(weights, taps * gate.columns);
    a.values(bias, gate.columns);
  }
};

/// Answered with the rows, one after another.
struct DownloadRows {
  int64_t columns = 0;
  std::vector<const float*> rows;
  template <typename Archive>
  void fields(Archive& a) {
    a(columns);
    a.rows(rows, columns);
  }
};
/// Rows of this rank go to another one ...
struct SendRows {
  int to = 0;
  int64_t columns = 0;
  std::vector<const float*> rows;
  template <typename Archive>
  void fields(Archive& a) {
    a(to, columns);
    a.rows(rows, columns);
  }
};
/// ... which takes them into a tile.
struct ReceiveRows {
  int from = 0;
  FloatRows tile;
  template <typename Archive>
  void fields(Archive& a) {
    a(from, tile);
  }
};
/// Answered with nothing, when all before it is done. Nobody waits at once.
struct Mark {
  template <typename Archive>
  void fields(Archive&) {}
};
/// The same; somebody waits.
struct Sync {
  template <typename Archive>
  void fields(Archive&) {}
};

/// All of them; a message names one by its place here.
#define LAZYLLM_OPERATIONS(X) \
  X(Allocate)                 \
  X(Free)                     \
  X(Upload)                   \
  X(Download)                 \
  X(Copy)                     \
  X(LoadWeight)               \
  X(FreeWeight)               \
  X(RmsNorm)                  \
  X(Matmul)                   \
  X(Rope)                     \
  X(GatedActivation)          \
  X(Add)                      \
  X(Multiply)                 \
  X(Gather)                   \
  X(Scatter)                  \
  X(ScatterAdd)               \
  X(AppendKv)                 \
  X(MoveKv)                   \
  X(Attention)                \
  X(AttentionScores)          \
  X(KeySimilarities)          \
  X(Convolve)                 \
  X(DownloadRows)             \
  X(SendRows)                 \
  X(ReceiveRows)              \
  X(Mark)                     \
  X(Sync)

#define LAZYLLM_CODE(NAME) NAME,
enum class OperationCode : uint8_t { LAZYLLM_OPERATIONS(LAZYLLM_CODE) };
#undef LAZYLLM_CODE

#define LAZYLLM_CODE(NAME)                    \
  inline OperationCode code_of(const NAME&) { \
    return OperationCode::NAME;               \
  }
LAZYLLM_OPERATIONS(LAZYLLM_CODE)
#undef LAZYLLM_CODE

}  // namespace lazyllm::distributed
