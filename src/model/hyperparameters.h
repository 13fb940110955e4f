// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace lazyllm::model {

enum class RopeScaling { none, linear, dynamic_ntk, llama3, longrope, yarn };

/// How positions become rotations in a layer.
struct RopeParameters {
  double base = 10000.0;
  int rotated = 0;  ///< leading values of each head that are rotated
  bool interleaved = false;
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  double original_context = 0.0;
  double low_frequency_factor = 1.0;   // llama3
  double high_frequency_factor = 4.0;  // llama3
  double beta_fast = 32.0;             // yarn
  double beta_slow = 1.0;              // yarn
  bool whole_turns = true;             // yarn: the ramp's ends are whole dimensions
  double attention_factor = 0.0;       // magnitude of the rotation; 0: from `factor` (yarn), or 1
  double attention_multiplier = 1.0;   // on that magnitude (GGUF's rope.scaling.attn_factor)
  /// Divisors of the frequencies stored in the file (rope_freqs.weight, longrope's
  /// short factors); empty: none.
  std::vector<float> frequency_divisors;
};

/// A mixture of experts in place of a feed-forward; the same in all layers that have one.
struct ExpertParameters {
  int count = 0;                 ///< 0: the model has none
  int used = 0;                  ///< experts per token
  int intermediate_size = 0;     ///< of one expert
  int shared_size = 0;           ///< of the expert that every token passes; 0: there is none
  bool shared_is_gated = false;  ///< its result is scaled by a sigmoid
  bool normalise = false;        ///< the weights of the used experts add up to one
  bool biases = false;           ///< of the router and of the experts' matrices
  bool sigmoid = false;          ///< of each logit by itself, instead of a softmax over all
  bool selection_bias = false;   ///< each expert has a number that counts in the choice only
  double least_sum = 0.0;        ///< added to the sum that weights are divided by
  double weight_scale = 1.0;     ///< on the weights of the used experts
  /// Beside a feed-forward of the layer's own, each behind a norm of its own (gemma4).
  bool beside_feed_forward = false;
};

/// What differs from layer to layer.
struct LayerParameters {
  int sliding_window = 0;  ///< keys a query sees, itself included; 0: all
  int rope = 0;            ///< index into Hyperparameters::ropes; -1: positions are not rotated
  bool experts = false;    ///< a mixture of experts instead of one feed-forward
  int head_dim = 0;        ///< 0: Hyperparameters::head_dim
  int kv_heads = 0;        ///< 0: Hyperparameters::kv_heads
  bool values_are_keys = false;  ///< values are what the keys are before their norm (gemma4)
  /// A gated short convolution over so many tokens instead of attention (lfm2); 0: attention. What
  /// it convolves is kept per token, as keys are.
  int convolution = 0;
  int kv_source = -1;         ///< the earlier layer whose keys and values it reads; -1: its own
  int intermediate_size = 0;  ///< 0: Hyperparameters::intermediate_size
};

/// A decoder-only transformer in numbers; everything the shared block needs to
/// know about an architecture.
struct Hyperparameters {
  std::string architecture;
  std::string name;
  int64_t vocabulary_size = 0;
  int64_t context_length = 0;
  int layers = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  float norm_epsilon = 1e-5f;
  float norm_weight_offset = 0.0f;  ///< gemma in Hugging Face files: weight + 1
  float embedding_scale = 1.0f;
  float residual_scale = 1.0f;  ///< on what a branch adds to the hidden row
  float logit_scale = 1.0f;
  float attention_scale = 0.0f;
  float attention_soft_cap = 0.0f;
  float final_soft_cap = 0.0f;
  /// Queries grow with their position p, by 1 + scale * log(1 + floor(p / length)); 0: they do not.
  double temperature_scale = 0.0;
  double temperature_length = 0.0;
  kernels::Activation activation = kernels::Activation::silu;
  // Parts of the block that only some architectures have.
  bool qk_norm = false;        ///< RMS norm of each head's query and key before rotation
  bool whole_qk_norm = false;  ///< the same over all heads together
  bool v_norm = false;         ///< RMS norm of each head's value, without weights
  bool layer_scales = false;   ///< a factor on the hidden row behind each layer
  bool input_norms = true;     ///< a norm before attention and before feed-forward
  bool post_norms = false;     ///< a norm after attention and after feed-forward
  bool qkv_bias_required = false;
  bool sinks = false;             ///< each head has a logit of its own beside those of the keys
  bool convolution_bias = false;  ///< of the matrices and the kernels of convolutions
  bool fused_qkv = false;         ///< the file has q, k and v as one matrix
  bool fused_gate_up = false;     ///< and gate and up
  int shared_kv_layers = 0;  ///< so many layers, the last ones, have a LayerParameters::kv_source
  int per_layer_size = 0;    ///< of what each layer embeds a token as, for itself; 0: none does
  ExpertParameters experts;
  std::vector<RopeParameters> ropes;
  std::vector<LayerParameters> layer;  ///< [layers]

  int head_dim_of(int l) const {
    const int own = layer[static_cast<size_t>(l)].head_dim;
    return own > 0 ? own : head_dim;
  }
  int kv_heads_of(int l) const {
    const int own = layer[static_cast<size_t>(l)].kv_heads;
    return own > 0 ? own : kv_heads;
  }
  /// Layers with keys and values of their own: the first ones. Through these a token is carried; of
  /// the others only rows whose results are wanted need anything.
  int kv_layers() const { return layers - shared_kv_layers; }
  /// The layer whose keys and values layer `l` reads.
  int kv_source_of(int l) const {
    const int source = layer[static_cast<size_t>(l)].kv_source;
    return source >= 0 ? source : l;
  }
  int intermediate_of(int l) const {
    const int own = layer[static_cast<size_t>(l)].intermediate_size;
    return own > 0 ? own : intermediate_size;
  }
  bool convolves(int l) const { return layer[static_cast<size_t>(l)].convolution > 0; }
  /// Of a convolution: its gate, and what it keeps of a token.
  int q_size(int l) const { return convolves(l) ? hidden_size : heads * head_dim_of(l); }
  int kv_size(int l) const { return convolves(l) ? hidden_size : kv_heads_of(l) * head_dim_of(l); }
  /// A convolution's rows are float32 whatever the types of keys and values: they are the state of
  /// the layer, and products that can leave the range of f16.
  kernels::KvLayout cache_layout(int l, kernels::CacheType k_type,
                                 kernels::CacheType v_type) const {
    if (!convolves(l)) return {kv_heads_of(l), head_dim_of(l), k_type, v_type};
    constexpr kernels::CacheType kExact = kernels::CacheType::f32;
    return {.kv_heads = 1,
            .head_dim = hidden_size,
            .k_type = kExact,
            .v_type = kExact,
            .has_values = false};
  }
  /// Of all layers.
  int widest_q() const {
    int widest = 0;
    for (int l = 0; l < layers; ++l) widest = std::max(widest, q_size(l));
    return widest;
  }
  int widest_kv() const {
    int widest = 0;
    for (int l = 0; l < layers; ++l) widest = std::max(widest, kv_size(l));
    return widest;
  }
  /// Columns that the gate and up of any feed-forward need.
  int widest_feed_forward() const {
    int widest = std::max({experts.intermediate_size, experts.shared_size, per_layer_size});
    for (int l = 0; l < layers; ++l) widest = std::max(widest, intermediate_of(l));
    return widest;
  }
  /// Whether each query of the layer sees all tokens before it.
  bool full_attention(int l) const {
    return !convolves(l) && layer[static_cast<size_t>(l)].sliding_window == 0;
  }
};

}  // namespace lazyllm::model
