// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/hyperparameters.h"
#include "model/rope.h"
#include "model/weights.h"

namespace lazyllm::model {

/// Scratch memory for a tile of token rows. Grows to the largest tile, then stays. One per session.
class Workspace {
 public:
  Workspace(const Hyperparameters& hyperparameters, const kernels::Backend& backend);

  /// Makes room for tiles of up to `rows` rows.
  void reserve(int64_t rows);

  kernels::FloatRows hidden(int64_t rows) const { return view(hidden_, rows, h_.hidden_size); }
  kernels::FloatRows normed(int64_t rows) const { return view(normed_, rows, h_.hidden_size); }
  kernels::FloatRows branch(int64_t rows) const { return view(branch_, rows, h_.hidden_size); }
  kernels::FloatRows q(int layer, int64_t rows) const { return view(q_, rows, h_.q_size(layer)); }
  kernels::FloatRows k(int layer, int64_t rows) const { return view(k_, rows, h_.kv_size(layer)); }
  kernels::FloatRows v(int layer, int64_t rows) const { return view(v_, rows, h_.kv_size(layer)); }
  kernels::FloatRows attention(int layer, int64_t rows) const {
    return view(attention_, rows, h_.q_size(layer));
  }
  kernels::FloatRows gate(int64_t rows, int64_t columns) const {
    return view(gate_, rows, columns);
  }
  kernels::FloatRows up(int64_t rows, int64_t columns) const { return view(up_, rows, columns); }
  /// What the layer in work embeds the tile's tokens as; empty without per-layer embeddings.
  kernels::FloatRows per_layer(int64_t rows) const {
    return view(per_layer_, rows, h_.per_layer_size);
  }
  kernels::FloatRows router(int64_t rows) const { return view(router_, rows, h_.experts.count); }
  kernels::FloatRows expert_input(int64_t rows) const {
    return view(expert_input_, rows, h_.hidden_size);
  }
  kernels::FloatRows expert_sum(int64_t rows) const {
    return view(expert_sum_, rows, h_.hidden_size);
  }

  /// Makes room by itself, since few steps want logits of more than one row.
  kernels::FloatRows logits(int64_t rows) {
    const auto bytes = static_cast<size_t>(rows * h_.vocabulary_size) * sizeof(float);
    if (logits_.bytes() < bytes) logits_ = backend_.allocate(bytes);
    return view(logits_, rows, h_.vocabulary_size);
  }

  RopeCache& rope() { return rope_; }
  const RopeCache& rope() const { return rope_; }

 private:
  static kernels::FloatRows view(const kernels::Buffer& buffer, int64_t rows, int64_t columns) {
    return {buffer.floats(), rows, columns, columns};
  }

  const Hyperparameters& h_;
  const kernels::Backend& backend_;
  int64_t rows_ = 0;
  kernels::Buffer hidden_, normed_, branch_, q_, k_, v_, attention_, gate_, up_, logits_;
  kernels::Buffer router_, expert_input_, expert_sum_;  // empty without experts
  kernels::Buffer per_layer_;                           // empty without per-layer embeddings
  RopeCache rope_;
};

/// The one block that all architectures share, in the pieces that the lazy step
/// puts together. Knows nothing of sequences or pruning. Immutable, shareable.
class Transformer {
 public:
  Transformer(Hyperparameters hyperparameters, Weights weights, const kernels::Backend& backend);

  const Hyperparameters& hyperparameters() const { return h_; }
  const Weights& weights() const { return weights_; }
  const kernels::Backend& backend() const { return backend_; }

  /// Where a model's layers are split over machines, each has a transformer of its own, a stage,
  /// with weights and memory there. This one is stage 0, has the embeddings and the head, and lends
  /// out the others: the layers of `others` stay theirs. `stage_of_layer` rises from 0.
  void set_stages(std::vector<std::unique_ptr<const Transformer>> others,
                  std::vector<int> stage_of_layer);
  int stages() const { return 1 + static_cast<int>(others_.size()); }
  /// The stage that computes a layer (0-based).
  int stage_of(int layer) const {
    return others_.empty() ? 0 : stage_of_layer_[static_cast<size_t>(layer)];
  }
  /// The stage where a token's hidden row waits that has passed `depth` > 0 layers.
  int stage_at_depth(int depth) const { return stage_of(depth - 1); }
  const Transformer& stage(int index) const {
    return index == 0 ? *this : *others_[static_cast<size_t>(index) - 1];
  }
  const Transformer& at(int layer) const { return stage(stage_of(layer)); }

  /// [heads] for AttentionInput; null where the model has none.
  const float* sinks(int layer) const {
    return at(layer).weights_.layers[static_cast<size_t>(layer)].sinks.floats();
  }

  /// [taps][hidden] and [hidden] for ConvolutionInput; the latter may be null.
  const float* convolution(int layer) const {
    return at(layer).weights_.layers[static_cast<size_t>(layer)].convolution.floats();
  }
  const float* convolution_bias(int layer) const {
    return at(layer).weights_.layers[static_cast<size_t>(layer)].convolution_bias.floats();
  }

  /// hidden[r] = embedding of tokens[r]. Ids must be in range.
  void embed(std::span<const int32_t> tokens, kernels::FloatRows hidden) const;

  /// out[r] = what the layer embeds tokens[r] as for itself: rows of workspace.per_layer, which
  /// finish() reads. Does nothing in a model without per-layer embeddings. Errors: as embed().
  void embed_for_layer(int layer, std::span<const int32_t> tokens, kernels::FloatRows out,
                       Workspace& workspace) const;

  /// workspace.k and .v, and .q if wanted, of the tile's hidden rows: normalised,
  /// projected, rotated at the rows' original positions. Of a convolution .k is what it convolves,
  /// B * x, and .q its gate C. In a layer that reads the keys and values of another one,
  /// queries alone.
  void project(int layer, kernels::ConstFloatRows hidden, std::span<const int32_t> positions,
               bool want_queries, Workspace& workspace) const;

  /// hidden += o_proj(attention) (through the post norm where there is one), then
  /// hidden += feed-forward(hidden), then what comes of workspace.per_layer.
  void finish(int layer, kernels::ConstFloatRows attention, kernels::FloatRows hidden,
              Workspace& workspace) const;

  /// out[r] = norm(hidden[r]); host memory [hidden.rows][hidden_size].
  void last_hidden(kernels::ConstFloatRows hidden, std::span<float> out,
                   Workspace& workspace) const;
  /// logits[r] = lm_head(norm(hidden[r])), scaled and soft-capped where the model does; host memory
  /// [hidden.rows][vocabulary].
  void logits(kernels::ConstFloatRows hidden, std::span<float> logits, Workspace& workspace) const;

 private:
  void feed_forward(int layer, kernels::FloatRows hidden, Workspace& workspace) const;
  /// hidden += proj(activation(gate(hidden)) * workspace.per_layer), through its norm.
  void add_per_layer(int layer, kernels::FloatRows hidden, Workspace& workspace) const;
  /// hidden *= the layer's factor, where there is one.
  void scale_rows(int layer, kernels::FloatRows hidden) const;
  void copy_rows(kernels::FloatRows from, kernels::FloatRows to) const;
  /// Queries of far positions grow (Hyperparameters::temperature_scale).
  void warm_queries(kernels::FloatRows q, std::span<const int32_t> positions) const;
  /// hidden += the experts' results for `normed`, each row's own, weighted.
  void mix_experts(int layer, kernels::ConstFloatRows normed, kernels::FloatRows hidden,
                   Workspace& workspace) const;
  /// hidden += the layer's own feed-forward and its experts' results, each through its norms.
  void mix_experts_beside(int layer, kernels::FloatRows hidden, Workspace& workspace) const;
  struct ExpertRows;
  struct FeedForward;
  /// By expert, the rows that pass it and what its results weigh there, as the router says of `in`.
  std::vector<ExpertRows> route(int layer, kernels::ConstFloatRows in, Workspace& workspace) const;
  /// to[row] += the results of each row's experts for in[row].
  void pass_experts(int layer, std::span<const ExpertRows> by_expert, kernels::ConstFloatRows in,
                    kernels::FloatRows to, Workspace& workspace) const;
  /// *to[i] += scales[i] * feed-forward(in[i]).
  void pass_feed_forward(const FeedForward& through, kernels::ConstFloatRows in,
                         std::span<const float> scales, std::span<float* const> to,
                         Workspace& workspace) const;
  /// The rows that a branch reads: their norm in workspace.normed, or as they are.
  kernels::ConstFloatRows norm_input(kernels::ConstFloatRows hidden, const kernels::Buffer& gamma,
                                     Workspace& workspace) const;
  /// hidden += residual_scale * post_norm(matrix * in), or without both straight into hidden.
  void add_branch(const kernels::Weight& matrix, const float* bias,
                  const kernels::Buffer& post_norm, kernels::ConstFloatRows in,
                  kernels::FloatRows hidden, Workspace& workspace) const;

  Hyperparameters h_;
  Weights weights_;
  const kernels::Backend& backend_;
  std::vector<std::unique_ptr<const Transformer>> others_;  // stages 1, 2, ...
  std::vector<int> stage_of_layer_;                         // [layers], if there are others
};

}  // namespace lazyllm::model
