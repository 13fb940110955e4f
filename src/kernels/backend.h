// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/storage_type.h"
#include "kernels/kv_layout.h"

// The op set that `model` and `lazy` call. A back end is a folder that implements it.
//
// Data pointers in views are memory of the back end: only its ops look at them.
// Host memory is marked by std::span.
//
// Row invariance is the contract of every op: a row's output bits depend on that
// row, the weights, its key list and the ISA, never on how many rows are computed
// together, which tile or thread computes it, or what runs beside it.
//
// Ops may be called by several threads; they use the back end's own threads inside and take
// turns with them.
namespace lazyllm::kernels {

/// Rows of float32 values: row r begins at data + r * stride.
template <typename T>
struct RowsView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  T* row(int64_t r) const { return data + r * stride; }
  RowsView slice(int64_t first, int64_t count) const {
    return {data + first * stride, count, columns, stride};
  }
  /// The columns [first, first + count) of every row.
  RowsView cut(int64_t first, int64_t count) const { return {data + first, rows, count, stride}; }
  operator RowsView<const T>() const { return {data, rows, columns, stride}; }
};
using FloatRows = RowsView<float>;
using ConstFloatRows = RowsView<const float>;

/// Memory of the back end, 64-byte aligned, freed with the object. Contents undefined at first.
class Buffer {
 public:
  Buffer() = default;
  using Deleter = void (*)(void*);
  Buffer(void* data, size_t bytes, Deleter deleter) : data_(data, deleter), bytes_(bytes) {}
  void* data() const { return data_.get(); }
  float* floats() const { return static_cast<float*>(data_.get()); }
  size_t bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::unique_ptr<void, Deleter> data_{nullptr, nullptr};
  size_t bytes_ = 0;
};

/// A matrix as it lies in a file: `rows` output features of `columns` input features each.
struct WeightSource {
  std::string name;  ///< for messages
  StorageType type = StorageType::f32;
  int64_t rows = 0;
  int64_t columns = 0;
  std::span<const std::byte> data;
};

/// A weight matrix in the back end's own form. Immutable, shareable between threads.
class Weight {
 public:
  virtual ~Weight() = default;
  virtual int64_t rows() const = 0;     ///< output features
  virtual int64_t columns() const = 0;  ///< input features
  virtual size_t bytes() const = 0;     ///< memory it occupies in the back end
};

/// One product of a matmul: out[r] (+)= weight * in[r] + bias.
struct MatmulTarget {
  const Weight* weight = nullptr;
  const float* bias = nullptr;  ///< [weight->rows()] or null; back-end memory
  FloatRows out;                ///< [in.rows][weight->rows()]
  bool accumulate = false;      ///< add to what `out` holds (residual connection)
};

/// Rotary position embedding. `interleaved` rotates the pairs (2i, 2i+1) (GGUF's
/// "NORM", permuted Llama files), otherwise the halves (i, i + rotated/2) ("NEOX").
struct RopeTable {
  const float* cos_sin = nullptr;  ///< [positions][rotated/2][2], back-end memory
  int64_t positions = 0;
  int rotated = 0;  ///< leading values of a head that are rotated; the rest pass
  bool interleaved = false;
};

/// Queries over a list of keys. The key list is sorted by position, so what a
/// query row may see (causality, sliding window) is a range of the list.
struct AttentionInput {
  ConstFloatRows queries;              ///< [rows][heads * head_dim], rotated
  int heads = 0;                       ///< query heads; kv heads stand in the layout
  std::span<const int32_t> first_key;  ///< [rows] first visible entry of key_slots
  std::span<const int32_t> end_key;    ///< [rows] one past the last visible entry; > first_key
  KvLayerView cache;
  std::span<const int32_t> key_slots;  ///< the key list: slots of the layer's cache
  float scale = 1.0f;
  float soft_cap = 0.0f;  ///< 0: none; else cap * tanh(score / cap)
  /// [heads], >= 0, at least one above 0: what a head's probabilities weigh in attention_scores.
  /// Empty: their plain mean.
  std::span<const float> head_weights = {};
  /// [heads] back-end memory: a logit per head that takes part in the softmax and has no value.
  /// Null: there is none. No part in ScoreKind::dot.
  const float* sinks = nullptr;
  /// Above 0: each K,V head has a key list of its own, this far behind the one before. Not for
  /// attention_scores.
  int64_t list_stride = 0;
};

/// A chunk of queries in front of keys of which some are to be chosen for them (QUOKA, arXiv
/// 2602.08722).
struct KeySimilarityInput {
  ConstFloatRows queries;  ///< [rows][heads * head_dim], rotated
  int heads = 0;
  KvLayerView cache;
  std::span<const int32_t> key_slots;
  int representatives = 0;  ///< queries per head that speak for the chunk, >= 1
};

inline constexpr int kMostTaps = 64;

/// A causal convolution along the tokens, each channel by itself: weights by distance, the oldest
/// input first.
struct ConvolutionInput {
  KvLayerView cache;               ///< the inputs: float32 rows without values
  std::span<const int32_t> slots;  ///< [rows][taps]; -1: nothing there, as if the input were 0
  int taps = 0;                    ///< at most kMostTaps
  const float* weights = nullptr;  ///< [taps][columns]
  const float* bias = nullptr;     ///< [columns] or null
  ConstFloatRows gate;             ///< [rows][columns]
};

enum class Activation {
  silu,
  gelu_tanh,
  /// g * sigmoid(1.702 g) * (u + 1) with g = min(gate, 7) and u = up within -7 .. 7 (gpt-oss)
  clamped_swiglu,
};

enum class ScoreKind {
  probability,  ///< softmax over the visible keys (the paper's Eq. 1)
  peak,         ///< the same, but the highest over heads and query rows instead of their mean
  value,        ///< a probability times the sum of the absolute values of what it weighs (VATP)
  dot,          ///< the bare inner products, unscaled (GemFilter)
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view device() const = 0;  ///< "cpu"
  virtual std::string_view isa() const = 0;     ///< "avx512-vnni", "avx2", "generic", "neon"
  virtual int threads() const = 0;
  /// What runs for a weight of this type: "int8 VNNI, groups of 32" (for `lazyllm info`).
  virtual std::string describe_kernel(StorageType type) const = 0;

  // --- memory ---
  virtual Buffer allocate(size_t bytes) const = 0;
  virtual void upload(const float* host, float* device, size_t count) const = 0;
  virtual void download(const float* device, float* host, size_t count) const = 0;
  /// Both of the same size.
  virtual void copy(const Buffer& from, const Buffer& to) const = 0;
  /// host[r] = *rows[r], each of `columns` values.
  virtual void download_rows(std::span<const float* const> rows, int64_t columns,
                             float* host) const;
  /// Waits until all that was asked for is done. Here it is when an op returns.
  virtual void finish() const {}
  /// tile row r = *rows[r], which are memory of another back end. The tile's rows lie one behind
  /// another.
  virtual void gather_from(const Backend& other, std::span<const float* const> rows,
                           FloatRows tile) const;

  // --- weights ---
  /// Repacks the rows of one or more matrices (equal columns, any types), put one
  /// below the other as one weight. The values the weight represents are exactly the file's.
  /// `drop_source`: the sources' mapped pages are given back as soon as they are repacked.
  /// Errors: Error(invalid_file) naming the tensor when a value or scale is NaN or infinite.
  virtual std::unique_ptr<const Weight> load_weight(std::span<const WeightSource> sources,
                                                    bool drop_source) const = 0;
  /// out[r] = scale * table[tokens[r]] straight from the file's form: the out.columns values from
  /// `first_column` on.
  /// Errors: Error(invalid_file) naming the table when they hold NaN or infinity.
  virtual void embed(const WeightSource& table, std::span<const int32_t> tokens, float scale,
                     FloatRows out, int64_t first_column) const = 0;

  // --- per row ---
  /// out[r] = in[r] / sqrt(mean(in[r]^2) + epsilon) * gamma; `out` may be `in`.
  virtual void rms_norm(ConstFloatRows in, const float* gamma, float epsilon,
                        FloatRows out) const = 0;
  /// All targets share `in`, so that its quantised form is made once.
  virtual void matmul(ConstFloatRows in, std::span<const MatmulTarget> targets) const = 0;
  /// Bytes that one value of `in` takes while it is multiplied with this weight: 1, 2 or 4.
  virtual int input_bytes(const Weight& weight) const = 0;
  /// Rotates `heads` heads of `head_dim` values in each row, in place.
  virtual void rope(FloatRows rows, int heads, int head_dim, std::span<const int32_t> positions,
                    const RopeTable& table) const = 0;
  /// out[r] = activation(gate[r]) * up[r]; `out` may be `gate`.
  virtual void gated_activation(Activation activation, ConstFloatRows gate, ConstFloatRows up,
                                FloatRows out) const = 0;
  /// rows[r] += other[r].
  virtual void add(FloatRows rows, ConstFloatRows other) const = 0;
  /// rows[r] *= other[r], value by value.
  virtual void multiply(FloatRows rows, ConstFloatRows other) const = 0;
  /// tile row r = *rows[r] / *rows[r] = tile row r; each a hidden row of tile.columns values.
  virtual void gather(std::span<const float* const> rows, FloatRows tile) const = 0;
  virtual void scatter(ConstFloatRows tile, std::span<float* const> rows) const = 0;
  /// *rows[r] += scales[r] * tile row r; no two of the rows are one, row r may be tile row r.
  virtual void scatter_add(ConstFloatRows tile, std::span<const float> scales,
                           std::span<float* const> rows) const = 0;

  // --- keys and values ---
  /// Writes k[r], v[r] ([rows][kv_heads * head_dim]) to slots[r] of a layer's cache; v is not
  /// looked at where the layout has no values.
  virtual void append_kv(const KvLayerView& cache, std::span<const int32_t> slots, ConstFloatRows k,
                         ConstFloatRows v) const = 0;
  /// Copies keys and values from from_slots[r] of one layer's cache to to_slots[r] of another of
  /// the same layout. Keys that `table` rotated at from_positions[r] are turned on to
  /// to_positions[r]: read as float32, turned by the difference, stored again. Where both positions
  /// are one, or `table` is null (positions are not rotated), the bytes stay.
  virtual void move_kv(const KvLayerView& from, std::span<const int32_t> from_slots,
                       std::span<const int32_t> from_positions, const KvLayerView& to,
                       std::span<const int32_t> to_slots, std::span<const int32_t> to_positions,
                       const RopeTable* table) const = 0;
  /// out[r] = softmax over the row's visible keys, times values: [rows][heads * head_dim].
  virtual void attention(const AttentionInput& input, FloatRows out) const = 0;
  /// scores[i] = what `kind` says of key_slots[i], mean over all heads (or the sum over the heads
  /// by their weights; not of dot) and over the query rows (0 where a row does not see
  /// the key). Of ScoreKind::peak the highest over both, each head's times its weight.
  virtual void attention_scores(const AttentionInput& input, ScoreKind kind,
                                std::span<float> scores) const = 0;
  /// out[r] = gate[r] * (bias + the sum over the taps of weights[tap] * the row at its slot).
  virtual void convolve(const ConvolutionInput& input, FloatRows out) const = 0;
  /// scores[kv_head * keys + i] = the highest product of key_slots[i], by its length, with a sum
  /// over the group's heads: of their queries (at length 1) least, second least, ... like the mean.
  virtual void key_similarities(const KeySimilarityInput& input, std::span<float> scores) const = 0;
};

/// What the CPU back end can run on this machine, best first: e.g. {"avx512-vnni", "avx2",
/// "generic"}.
std::vector<std::string> available_isas();

/// `isa` empty: the best this processor has. `threads` <= 0: one per core.
/// Errors: Error(usage) naming the ISAs that this machine has.
std::unique_ptr<Backend> create_cpu_backend(std::string_view isa, int threads);

}  // namespace lazyllm::kernels
