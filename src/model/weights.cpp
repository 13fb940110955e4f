// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/float16.h"

namespace lazyllm::model {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Takes tensors out of a file, checked, into a back end.
class Loader {
 public:
  Loader(const formats::ModelFile& file, const kernels::Backend& backend)
      : file_(file), backend_(&backend) {}

  /// What is taken from here on goes there.
  void load_into(const kernels::Backend& backend) { backend_ = &backend; }

  kernels::WeightSource source(const std::string& name, int64_t rows, int64_t columns) const {
    const formats::TensorView& tensor = take(name);
    check_shape(tensor, {rows, columns});
    return {tensor.name, tensor.type, rows, columns, tensor.data};
  }

  WeightPointer matrix(const std::string& name, int64_t rows, int64_t columns) const {
    return repack(source(name, rows, columns));
  }

  /// `count` rows of a larger matrix, from `first` on.
  WeightPointer slice(const std::string& name, int64_t rows, int64_t columns, int64_t first,
                      int64_t count) const {
    kernels::WeightSource whole = source(name, rows, columns);
    const size_t row_bytes = whole.data.size() / static_cast<size_t>(rows);
    whole.rows = count;
    whole.data = whole.data.subspan(static_cast<size_t>(first) * row_bytes,
                                    static_cast<size_t>(count) * row_bytes);
    return repack(whole);
  }

  /// A matrix of one row, which GGUF keeps as a vector.
  WeightPointer row(const std::string& name, int64_t columns) const {
    const formats::TensorView& tensor = take(name);
    if (tensor.shape.size() == 1) {
      check_shape(tensor, {columns});
    } else {
      check_shape(tensor, {1, columns});
    }
    return repack({tensor.name, tensor.type, 1, columns, tensor.data});
  }

  /// `name` of an expert: a slice of one tensor for all ("ffn_up_exps.weight"), or a tensor of its
  /// own ("ffn_up.7.weight").
  ExpertSource expert(const std::string& name, int expert, int count, int64_t rows,
                      int64_t columns) const {
    const std::string stacked = name + "_exps.weight";
    if (!has(stacked)) return {source(fmt::format("{}.{}.weight", name, expert), rows, columns)};
    return stacked_expert(stacked, expert, count, rows, columns, 0, rows);
  }

  /// `count_rows` rows from `first` on of one expert's matrix in a tensor for all.
  ExpertSource stacked_expert(const std::string& stacked, int expert, int count, int64_t rows,
                              int64_t columns, int64_t first, int64_t count_rows) const {
    const formats::TensorView& tensor = take(stacked);
    check_shape(tensor, {count, rows, columns});
    const int64_t begin = expert * rows + first;
    ExpertSource result;
    result.source = {
        fmt::format("{} (expert {})", stacked, expert), tensor.type, count_rows, columns, {}};
    if (tensor.rows) {
      const formats::RowMaker* const maker = &tensor.rows;  // the file outlives the weights
      result.make = [=](std::byte* out) { maker->make(begin, count_rows, out); };
      return result;
    }
    const size_t row_bytes = tensor.data.size() / static_cast<size_t>(count * rows);
    result.source.data = tensor.data.subspan(static_cast<size_t>(begin) * row_bytes,
                                             static_cast<size_t>(count_rows) * row_bytes);
    return result;
  }

  /// `count` values of a longer vector, from `first` on.
  kernels::Buffer optional_part(const std::string& name, int64_t size, int64_t first, int64_t count,
                                bool required) const {
    const kernels::Buffer whole = optional_vector(name, size, required);
    if (!whole) return {};
    std::vector<float> values(static_cast<size_t>(count));
    backend_->download(whole.floats() + first, values.data(), values.size());
    return uploaded(values);
  }

  /// A matrix as float32 with rows and columns exchanged.
  kernels::Buffer transposed(const std::string& name, int64_t rows, int64_t columns) const {
    const kernels::Buffer plain = small_tensor(name, {rows, columns});
    std::vector<float> values(static_cast<size_t>(rows * columns)), turned(values.size());
    backend_->download(plain.floats(), values.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t row = i / static_cast<size_t>(columns),
                   column = i % static_cast<size_t>(columns);
      turned[column * static_cast<size_t>(rows) + row] = values[i];
    }
    return uploaded(turned);
  }

  kernels::Buffer ones(int64_t size) const {
    return uploaded(std::vector<float>(static_cast<size_t>(size), 1.0f));
  }

  void download(const kernels::Buffer& from, std::span<float> values) const {
    backend_->download(from.floats(), values.data(), values.size());
  }

  kernels::Buffer uploaded(const std::vector<float>& values) const {
    kernels::Buffer buffer = backend_->allocate(values.size() * sizeof(float));
    backend_->upload(values.data(), buffer.floats(), values.size());
    return buffer;
  }

  float scalar(const std::string& name) const {
    const kernels::Buffer buffer = vector(name, 1);
    float value = 0.0f;
    backend_->download(buffer.floats(), &value, 1);
    return value;
  }

  std::vector<float> host_vector(const std::string& name, int64_t size) const {
    const kernels::Buffer buffer = vector(name, size);
    std::vector<float> values(static_cast<size_t>(size));
    download(buffer, values);
    return values;
  }

  /// A vector times a number.
  kernels::Buffer scaled(const std::string& name, int64_t size, float factor) const {
    std::vector<float> values = host_vector(name, size);
    for (float& x : values) x *= factor;
    return uploaded(values);
  }

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }
  /// A tensor that may be there and is read by nobody.
  void pass_over(const std::string& name) const {
    if (has(name)) take(name);
  }
  std::string path() const { return file_.path().string(); }

  kernels::Buffer vector(const std::string& name, int64_t size, float offset = 0.0f) const {
    return small_tensor(name, {size}, offset);
  }

  /// Any shape, as float32.
  kernels::Buffer small_tensor(const std::string& name, const std::vector<int64_t>& shape,
                               float offset = 0.0f) const {
    const formats::TensorView& tensor = take(name);
    check_shape(tensor, shape);
    std::vector<float> values = floats(tensor);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        fail(ErrorCode::invalid_file,
             "{}: tensor {} holds NaN or infinity at {}; the file is damaged, fetch it again",
             file_.path().string(), name, i);
      }
      values[i] += offset;
    }
    return uploaded(values);
  }

  kernels::Buffer optional_vector(const std::string& name, int64_t size, bool required) const {
    if (!required && file_.find_tensor(name) == nullptr) return {};
    return vector(name, size);
  }

  /// Errors: Error(unsupported) naming a tensor that nothing took: without it the model would
  /// compute something else.
  void check_all_taken() const {
    for (const formats::TensorView& tensor : file_.tensors()) {
      if (taken_.contains(tensor.name) || is_harmless(tensor.name)) continue;
      fail(ErrorCode::unsupported,
           "{}: tensor {} belongs to no part that lazyllm implements for this architecture; take "
           "another model",
           file_.path().string(), tensor.name);
    }
  }

 private:
  WeightPointer repack(const kernels::WeightSource& source) const {
    try {
      return backend_->load_weight(std::span(&source, 1), /*drop_source=*/true);
    } catch (const Error& error) {
      fail(error.code(), "{}: {}", file_.path().string(), error.what());
    }
  }

  /// Read with the hyperparameters, computed anew, or of another modality.
  static bool is_harmless(std::string_view name) {
    for (const std::string_view prefix : {"rope_f", "v.", "a.", "mm."}) {
      if (name.starts_with(prefix)) return true;
    }
    return name.ends_with(".attn_rot_embd") || name.ends_with(".rope_freqs.weight");
  }

  const formats::TensorView& take(const std::string& name) const {
    const formats::TensorView& tensor = file_.tensor(name);
    taken_.insert(tensor.name);
    return tensor;
  }

  void check_shape(const formats::TensorView& tensor, const std::vector<int64_t>& expected) const {
    if (tensor.shape == expected) return;
    fail(ErrorCode::invalid_file,
         "{}: tensor {} has the shape {}, but the model's metadata asks for {}; convert the model "
         "again",
         file_.path().string(), tensor.name, shape_text(tensor.shape), shape_text(expected));
  }

  std::vector<float> floats(const formats::TensorView& tensor) const {
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    if (tensor.type == StorageType::f32) {
      std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
      return values;
    }
    if (tensor.type != StorageType::f16 && tensor.type != StorageType::bf16) {
      fail(ErrorCode::unsupported, "{}: vector {} is stored as {}; F32, F16 and BF16 are supported",
           file_.path().string(), tensor.name, traits(tensor.type).name);
    }
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, tensor.data.data() + 2 * i, sizeof bits);
      values[i] = tensor.type == StorageType::f16 ? half_to_float(bits) : bfloat16_to_float(bits);
    }
    return values;
  }

  const formats::ModelFile& file_;
  const kernels::Backend* backend_;
  mutable std::set<std::string_view> taken_;
};

/// The router, the experts and what all tokens share of layer `p`.
void load_experts(const Loader& loader, const Hyperparameters& h, const std::string& p,
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

void load_convolution(const Loader& loader, const Hyperparameters& h, int layer,
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
void load_per_layer_embedding(const Loader& loader, const Hyperparameters& h, int layer,
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
void load_attention(const Loader& loader, const Hyperparameters& h, int layer, const std::string& p,
                    LayerWeights& w) {
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

LayerWeights load_layer(const Loader& loader, const Hyperparameters& h, int layer,
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
  Loader loader(file, backend);
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
