// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "formats/model_file.h"
#include "kernels/backend.h"
#include "model/experts.h"
#include "model/hyperparameters.h"

namespace lazyllm::model {

using WeightPointer = std::unique_ptr<const kernels::Weight>;

/// One layer's weights under Hugging Face's names. Absent parts are null/empty.
/// Of a convolution k_proj, q_proj and v_proj are the parts B, C and x of its in_proj, each
/// [hidden][hidden], and o_proj is its out_proj.
struct LayerWeights {
  kernels::Buffer input_layernorm;                   // [hidden]
  WeightPointer q_proj, k_proj, v_proj;              // [q_size|kv_size][hidden]; k, v: or none
  kernels::Buffer q_bias, k_bias, v_bias;            // [q_size|kv_size]
  kernels::Buffer q_norm, k_norm;                    // [head_dim]
  kernels::Buffer v_norm;                            // [head_dim] of ones, gemma4
  float scale = 1.0f;                                // on the hidden row behind the layer, gemma4
  WeightPointer o_proj;                              // [hidden][q_size]
  kernels::Buffer o_bias;                            // [hidden]
  kernels::Buffer sinks;                             // [heads], gpt-oss
  kernels::Buffer convolution;                       // [taps][hidden], the oldest first; lfm2
  kernels::Buffer convolution_bias;                  // [hidden]
  kernels::Buffer post_attention_norm;               // [hidden], gemma
  kernels::Buffer pre_feedforward_layernorm;         // [hidden] (Llama: post_attention_layernorm)
  WeightPointer gate_proj, up_proj;                  // [intermediate][hidden]; the shared expert's
  WeightPointer down_proj;                           // [hidden][intermediate]
  kernels::Buffer gate_bias, up_bias;                // [intermediate]
  kernels::Buffer down_bias;                         // [hidden]
  kernels::Buffer post_feedforward_norm;             // [hidden], gemma
  WeightPointer per_layer_model;                     // [per_layer][hidden], gemma4
  WeightPointer per_layer_gate;                      // [per_layer][hidden]
  WeightPointer per_layer_proj;                      // [hidden][per_layer]
  kernels::Buffer post_per_layer_norm;               // [hidden]
  WeightPointer router;                              // [experts][hidden]
  kernels::Buffer router_bias;                       // [experts]
  kernels::Buffer expert_gate_bias, expert_up_bias;  // [experts][intermediate]
  kernels::Buffer expert_down_bias;                  // [experts][hidden]
  std::vector<float> selection_bias;                 // [experts] in host memory, or empty
  WeightPointer shared_gate;                         // [1][hidden]
  // Of experts beside a feed-forward, gemma4.
  kernels::Buffer router_norm;              // [hidden], divided by the square root of hidden
  kernels::Buffer pre_feedforward_norm_2;   // [hidden], of what experts read
  kernels::Buffer post_feedforward_norm_1;  // [hidden], of the feed-forward
  kernels::Buffer post_feedforward_norm_2;  // [hidden], of the experts' sum
  std::vector<float> expert_scales;         // [experts]
  int expert_layer = -1;                    // in Weights::experts; -1: no experts
};

/// All weights of a model in the back end's memory. Immutable, shareable.
struct Weights {
  kernels::WeightSource embed_tokens;  // read in place from the mapped file
  kernels::WeightSource
      embed_tokens_per_layer;  // the same, [vocabulary][layers * per_layer]; or none
  std::vector<LayerWeights> layers;
  kernels::Buffer norm;                  // [hidden]
  kernels::Buffer per_layer_norm;        // [per_layer], times the square root of a half
  WeightPointer lm_head;                 // [vocabulary][hidden]
  std::unique_ptr<ExpertStore> experts;  // null: the model has none
  kernels::Buffer lm_head_bias;

  size_t bytes() const;  ///< back-end memory of the repacked matrices
  /// Backend::input_bytes, mean over the values of all matrices.
  double mean_input_bytes(const kernels::Backend& backend) const;

 private:
  template <typename Visit>
  void for_each_matrix(Visit visit) const;
};

/// Called with (layers done, layers in all).
using LoadProgress = std::function<void(int, int)>;

/// Checks every tensor's shape, then repacks it; mapped pages are given back on the way.
/// Errors: Error(invalid_file) naming a missing tensor, a wrong shape or NaN weights;
/// Error(unsupported) naming a tensor that no part of this architecture takes.
Weights load_weights(const formats::ModelFile& file, const Hyperparameters& hyperparameters,
                     const kernels::Backend& backend, const LoadProgress& progress = {});

/// The same with the layers in several back ends, [layers]; the head is in `backend`.
Weights load_weights(const formats::ModelFile& file, const Hyperparameters& hyperparameters,
                     const kernels::Backend& backend,
                     std::span<const kernels::Backend* const> layer_backends,
                     const LoadProgress& progress = {});

}  // namespace lazyllm::model
