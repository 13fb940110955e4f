// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include "base/error.h"
#include "model/weight_loader.h"

namespace lazyllm::model {
namespace {

/// The router, the experts and what all tokens share of layer `p`.
void load_experts(const WeightLoader& loader, const Hyperparameters& h, const std::string& p,
                  LayerWeights& w, ExpertStore& store, int expert_layer) {
  const ExpertParameters& experts = h.experts;
  w.router = loader.matrix(p + "ffn_gate_inp.weight", experts.count, h.hidden_size);
  if (experts.selection_bias) {
    const kernels::Buffer bias = loader.vector(p + "exp_probs_b.bias", experts.count);
    w.selection_bias.resize(static_cast<size_t>(experts.count));
    loader.download(bias, w.selection_bias);
  }
  std::vector<ExpertSources> sources(static_cast<size_t>(experts.count));
  const auto take = [&](size_t part, const char* name, int64_t rows, int64_t columns) {
    for (int e = 0; e < experts.count; ++e) {
      sources[static_cast<size_t>(e)][part] =
          loader.expert(p + name, e, experts.count, rows, columns);
    }
  };
  const int64_t inner = experts.intermediate_size;
  const std::string both = p + "ffn_gate_up_exps.weight";
  if (loader.has(both)) {  // gate first
    for (int e = 0; e < experts.count; ++e) {
      ExpertSources& to = sources[static_cast<size_t>(e)];
      to[0] = loader.stacked_expert(both, e, experts.count, 2 * inner, h.hidden_size, 0, inner);
      to[1] = loader.stacked_expert(both, e, experts.count, 2 * inner, h.hidden_size, inner, inner);
    }
  } else {
    take(0, "ffn_gate", inner, h.hidden_size);
    take(1, "ffn_up", inner, h.hidden_size);
  }
  take(2, "ffn_down", h.hidden_size, experts.intermediate_size);
  if (experts.biases) {
    w.router_bias = loader.vector(p + "ffn_gate_inp.bias", experts.count);
    w.expert_gate_bias = loader.small_tensor(p + "ffn_gate_exps.bias", {experts.count, inner});
    w.expert_up_bias = loader.small_tensor(p + "ffn_up_exps.bias", {experts.count, inner});
    w.expert_down_bias =
        loader.small_tensor(p + "ffn_down_exps.bias", {experts.count, h.hidden_size});
  }
  if (experts.beside_feed_forward) {
    const float root = std::sqrt(static_cast<float>(h.hidden_size));
    w.router_norm = loader.scaled(p + "ffn_gate_inp.scale", h.hidden_size, 1.0f / root);
    w.pre_feedforward_norm_2 = loader.vector(p + "pre_ffw_norm_2.weight", h.hidden_size);
    w.post_feedforward_norm_1 = loader.vector(p + "post_ffw_norm_1.weight", h.hidden_size);
    w.post_feedforward_norm_2 = loader.vector(p + "post_ffw_norm_2.weight", h.hidden_size);
    w.expert_scales = loader.host_vector(p + "ffn_down_exps.scale", experts.count);
  }
  store.add_layer(std::move(sources), loader.path());
  w.expert_layer = expert_layer;
  if (experts.shared_size == 0) return;
  const int64_t shared = experts.shared_size;
  if (const std::string fused = p + "ffn_gate_up_shexp.weight"; loader.has(fused)) {
    w.gate_proj = loader.slice(fused, 2 * shared, h.hidden_size, 0, shared);
    w.up_proj = loader.slice(fused, 2 * shared, h.hidden_size, shared, shared);
  } else {
    w.gate_proj = loader.matrix(p + "ffn_gate_shexp.weight", shared, h.hidden_size);
    w.up_proj = loader.matrix(p + "ffn_up_shexp.weight", shared, h.hidden_size);
  }
  w.down_proj = loader.matrix(p + "ffn_down_shexp.weight", h.hidden_size, experts.shared_size);
  if (experts.shared_is_gated) {
    w.shared_gate = loader.row(p + "ffn_gate_inp_shexp.weight", h.hidden_size);
  }
}

void load_convolution(const WeightLoader& loader, const Hyperparameters& h, int layer,
                      const std::string& p, LayerWeights& w) {
  const int64_t hidden = h.hidden_size;
  const bool biased = h.convolution_bias;
  const auto part = [&](int64_t index) {
    return loader.slice(p + "in_proj.weight", 3 * hidden, hidden, index * hidden, hidden);
  };
  const auto bias = [&](int64_t index) {
    return loader.optional_part(p + "in_proj.bias", 3 * hidden, index * hidden, hidden, biased);
  };
  w.k_proj = part(0);
  w.q_proj = part(1);
  w.v_proj = part(2);
  w.k_bias = bias(0);
  w.q_bias = bias(1);
  w.v_bias = bias(2);
  const int taps = h.layer[static_cast<size_t>(layer)].convolution;
  w.convolution = loader.transposed(p + "conv.weight", hidden, taps);
  w.convolution_bias = loader.optional_vector(p + "conv.bias", hidden, biased);
  w.o_proj = loader.matrix(p + "out_proj.weight", hidden, hidden);
  w.o_bias = loader.optional_vector(p + "out_proj.bias", hidden, biased);
}

/// What layer `layer` embeds tokens with for itself.
void load_per_layer_embedding(const WeightLoader& loader, const Hyperparameters& h, int layer,
                              LayerWeights& w) {
  if (h.per_layer_size == 0) return;
  const std::string p = fmt::format("blk.{}.", layer);
  const int64_t size = h.per_layer_size;
  w.per_layer_model = loader.slice("per_layer_model_proj.weight", h.layers * size, h.hidden_size,
                                   layer * size, size);
  w.per_layer_gate = loader.matrix(p + "inp_gate.weight", size, h.hidden_size);
  w.per_layer_proj = loader.matrix(p + "proj.weight", h.hidden_size, size);
  w.post_per_layer_norm = loader.vector(p + "post_norm.weight", h.hidden_size);
}

/// Queries, and keys and values where the layer has its own.
void load_attention(const WeightLoader& loader, const Hyperparameters& h, int layer,
                    const std::string& p, LayerWeights& w) {
  const float offset = h.norm_weight_offset;
  const int64_t q = h.q_size(layer), kv = h.kv_size(layer);
  const int head_dim = h.head_dim_of(layer);
  const bool own_kv = layer < h.kv_layers();
  if (h.fused_qkv) {
    const auto part = [&](int64_t first, int64_t rows) {
      return loader.slice(p + "attn_qkv.weight", q + 2 * kv, h.hidden_size, first, rows);
    };
    w.q_proj = part(0, q);
    w.k_proj = part(q, kv);
    w.v_proj = part(q + kv, kv);
  } else {
    w.q_proj = loader.matrix(p + "attn_q.weight", q, h.hidden_size);
  }
  w.o_proj = loader.matrix(p + "attn_output.weight", h.hidden_size, q);
  w.o_bias = loader.optional_vector(p + "attn_output.bias", h.hidden_size, false);
  if (h.sinks) w.sinks = loader.vector(p + "attn_sinks.weight", h.heads);
  w.q_bias = loader.optional_vector(p + "attn_q.bias", q, h.qkv_bias_required);
  if (h.qk_norm) {
    w.q_norm = loader.vector(p + "attn_q_norm.weight", head_dim, offset);
  } else if (h.whole_qk_norm) {
    w.q_norm = loader.vector(p + "attn_q_norm.weight", q, offset);
  }
  if (!own_kv) {  // some files have them all the same
    for (const char* name :
         {"attn_k.weight", "attn_k.bias", "attn_v.weight", "attn_v.bias", "attn_k_norm.weight"}) {
      loader.pass_over(p + name);
    }
    return;
  }
  const bool own_values = !h.layer[static_cast<size_t>(layer)].values_are_keys;
  if (!h.fused_qkv) {
    w.k_proj = loader.matrix(p + "attn_k.weight", kv, h.hidden_size);
    if (own_values) w.v_proj = loader.matrix(p + "attn_v.weight", kv, h.hidden_size);
  }
  w.k_bias = loader.optional_vector(p + "attn_k.bias", kv, h.qkv_bias_required);
  if (own_values) w.v_bias = loader.optional_vector(p + "attn_v.bias", kv, h.qkv_bias_required);
  if (h.qk_norm) {
    w.k_norm = loader.vector(p + "attn_k_norm.weight", head_dim, offset);
  } else if (h.whole_qk_norm) {
    w.k_norm = loader.vector(p + "attn_k_norm.weight", kv, offset);
  }
  if (h.v_norm) w.v_norm = loader.ones(head_dim);
}

LayerWeights load_layer(const WeightLoader& loader, const Hyperparameters& h, int layer,
                        ExpertStore* experts, int expert_layer) {
  const std::string p = fmt::format("blk.{}.", layer);
  const float offset = h.norm_weight_offset;
  LayerWeights w;
  if (h.input_norms) {
    w.input_layernorm = loader.vector(p + "attn_norm.weight", h.hidden_size, offset);
    // Some converters name the norm before the feed-forward as Hugging Face does.
    const bool as_theirs = !h.post_norms && !loader.has(p + "ffn_norm.weight");
    w.pre_feedforward_layernorm = loader.vector(
        p + (as_theirs ? "post_attention_norm.weight" : "ffn_norm.weight"), h.hidden_size, offset);
  }
  if (h.convolves(layer)) {
    load_convolution(loader, h, layer, p + "shortconv.", w);
  } else {
    load_attention(loader, h, layer, p, w);
  }
  if (h.layer_scales) w.scale = loader.scalar(p + "layer_output_scale.weight");
  const int64_t inner = h.intermediate_of(layer);
  if (h.layer[static_cast<size_t>(layer)].experts) {
    load_experts(loader, h, p, w, *experts, expert_layer);
  }
  if (!h.layer[static_cast<size_t>(layer)].experts || h.experts.beside_feed_forward) {
    if (h.fused_gate_up) {
      w.gate_proj = loader.slice(p + "ffn_up.weight", 2 * inner, h.hidden_size, 0, inner);
      w.up_proj = loader.slice(p + "ffn_up.weight", 2 * inner, h.hidden_size, inner, inner);
    } else {
      w.gate_proj = loader.matrix(p + "ffn_gate.weight", inner, h.hidden_size);
      w.up_proj = loader.matrix(p + "ffn_up.weight", inner, h.hidden_size);
    }
    w.down_proj = loader.matrix(p + "ffn_down.weight", h.hidden_size, inner);
    w.gate_bias = loader.optional_vector(p + "ffn_gate.bias", inner, false);
    w.up_bias = loader.optional_vector(p + "ffn_up.bias", inner, false);
    w.down_bias = loader.optional_vector(p + "ffn_down.bias", h.hidden_size, false);
  }
  if (h.post_norms) {
    w.post_attention_norm = loader.vector(p + "post_attention_norm.weight", h.hidden_size, offset);
    w.post_feedforward_norm = loader.vector(p + "post_ffw_norm.weight", h.hidden_size, offset);
  }
  load_per_layer_embedding(loader, h, layer, w);
  return w;
}

}  // namespace

template <typename Visit>
void Weights::for_each_matrix(Visit visit) const {
  if (lm_head) visit(*lm_head);
  for (const LayerWeights& w : layers) {
    for (const WeightPointer* matrix :
         {&w.q_proj, &w.k_proj, &w.v_proj, &w.o_proj, &w.gate_proj, &w.up_proj, &w.down_proj,
          &w.router, &w.shared_gate, &w.per_layer_model, &w.per_layer_gate, &w.per_layer_proj}) {
      if (*matrix != nullptr) visit(**matrix);
    }
  }
}

size_t Weights::bytes() const {
  size_t sum = 0;
  for_each_matrix([&](const kernels::Weight& matrix) { sum += matrix.bytes(); });
  return sum + (experts == nullptr ? 0 : experts->bytes());
}

double Weights::mean_input_bytes(const kernels::Backend& backend) const {
  if (experts != nullptr) return experts->input_bytes();  // most of the work is theirs
  double values = 0.0;
  double bytes = 0.0;
  for_each_matrix([&](const kernels::Weight& matrix) {
    const double size = static_cast<double>(matrix.rows()) * static_cast<double>(matrix.columns());
    values += size;
    bytes += size * backend.input_bytes(matrix);
  });
  return bytes / values;
}

Weights load_weights(const formats::ModelFile& file, const Hyperparameters& h,
                     const kernels::Backend& backend, const LoadProgress& progress) {
  const std::vector<const kernels::Backend*> all(static_cast<size_t>(h.layers), &backend);
  return load_weights(file, h, backend, all, progress);
}

Weights load_weights(const formats::ModelFile& file, const Hyperparameters& h,
                     const kernels::Backend& backend,
                     std::span<const kernels::Backend* const> layer_backends,
                     const LoadProgress& progress) {
  WeightLoader loader(file, backend);
  Weights weights;
  weights.embed_tokens = loader.source("token_embd.weight", h.vocabulary_size, h.hidden_size);
  weights.embed_tokens.name +=
      " of " + file.path().string();  // it is read, and found wrong, long after
  if (h.per_layer_size > 0) {
    weights.embed_tokens_per_layer = loader.source("per_layer_token_embd.weight", h.vocabulary_size,
                                                   int64_t{h.layers} * h.per_layer_size);
    weights.embed_tokens_per_layer.name += " of " + file.path().string();
    weights.per_layer_norm =
        loader.scaled("per_layer_proj_norm.weight", h.per_layer_size, std::sqrt(0.5f));
  }
  if (h.experts.count > 0) {
    weights.experts = std::make_unique<ExpertStore>(backend, default_expert_budget());
  }
  int expert_layers = 0;
  for (int layer = 0; layer < h.layers; ++layer) {
    if (progress) progress(layer, h.layers);
    loader.load_into(*layer_backends[static_cast<size_t>(layer)]);
    weights.layers.push_back(load_layer(loader, h, layer, weights.experts.get(), expert_layers));
    if (weights.layers.back().expert_layer >= 0) ++expert_layers;
  }
  loader.load_into(backend);
  // LFM2's files have it under a word of their own.
  const bool as_lfm2 = h.architecture.starts_with("lfm2") && !loader.has("output_norm.weight");
  weights.norm = loader.vector(as_lfm2 ? "token_embd_norm.weight" : "output_norm.weight",
                               h.hidden_size, h.norm_weight_offset);
  const bool tied = file.find_tensor("output.weight") == nullptr;
  weights.lm_head =
      loader.matrix(tied ? "token_embd.weight" : "output.weight", h.vocabulary_size, h.hidden_size);
  weights.lm_head_bias = loader.optional_vector("output.bias", h.vocabulary_size, false);
  loader.check_all_taken();
  if (progress) progress(h.layers, h.layers);
  return weights;
}

}  // namespace lazyllm::model
