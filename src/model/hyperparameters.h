// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace lazyllm::model {

enum class RopeScaling { none, linear, llama3, yarn };

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
  double attention_factor = 0.0;       // yarn: magnitude of the rotation; 0: from `factor`
  /// Divisors of the frequencies stored in the file (rope_freqs.weight); empty: none.
  std::vector<float> frequency_divisors;
};

/// What differs from layer to layer.
struct LayerParameters {
  int sliding_window = 0;  ///< keys a query sees, itself included; 0: all
  int rope = 0;            ///< index into Hyperparameters::ropes
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
  float attention_scale = 0.0f;
  float attention_soft_cap = 0.0f;
  float final_soft_cap = 0.0f;
  kernels::Activation activation = kernels::Activation::silu;
  // Parts of the block that only some architectures have.
  bool qk_norm = false;     ///< RMS norm of each head's query and key before rotation
  bool post_norms = false;  ///< a norm after attention and after feed-forward
  bool qkv_bias_required = false;
  std::vector<RopeParameters> ropes;
  std::vector<LayerParameters> layer;  ///< [layers]

  int q_size() const { return heads * head_dim; }
  int kv_size() const { return kv_heads * head_dim; }
  bool full_attention(int l) const { return layer[static_cast<size_t>(l)].sliding_window == 0; }
};

}  // namespace lazyllm::model
