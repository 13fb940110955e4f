// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <cmath>
#include <cstring>

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
      : file_(file), backend_(backend) {}

  kernels::WeightSource source(const std::string& name, int64_t rows, int64_t columns) const {
    const formats::TensorView& tensor = file_.tensor(name);
    check_shape(tensor, {rows, columns});
    return {tensor.name, tensor.type, rows, columns, tensor.data};
  }

  WeightPointer matrix(const std::string& name, int64_t rows, int64_t columns) const {
    const kernels::WeightSource sources[] = {source(name, rows, columns)};
    try {
      return backend_.load_weight(sources, /*drop_source=*/true);
    } catch (const Error& error) {
      fail(error.code(), "{}: {}", file_.path().string(), error.what());
    }
  }

  kernels::Buffer vector(const std::string& name, int64_t size, float offset = 0.0f) const {
    const formats::TensorView& tensor = file_.tensor(name);
    check_shape(tensor, {size});
    std::vector<float> values = floats(tensor);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        fail(ErrorCode::invalid_file,
             "{}: tensor {} holds NaN or infinity at {}; the file is damaged, fetch it again",
             file_.path().string(), name, i);
      }
      values[i] += offset;
    }
    kernels::Buffer buffer = backend_.allocate(values.size() * sizeof(float));
    backend_.upload(values.data(), buffer.floats(), values.size());
    return buffer;
  }

  kernels::Buffer optional_vector(const std::string& name, int64_t size, bool required) const {
    if (!required && file_.find_tensor(name) == nullptr) return {};
    return vector(name, size);
  }

 private:
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
  const kernels::Backend& backend_;
};

LayerWeights load_layer(const Loader& loader, const Hyperparameters& h, int layer) {
  const std::string p = fmt::format("blk.{}.", layer);
  const float offset = h.norm_weight_offset;
  LayerWeights w;
  w.input_layernorm = loader.vector(p + "attn_norm.weight", h.hidden_size, offset);
  w.q_proj = loader.matrix(p + "attn_q.weight", h.q_size(), h.hidden_size);
  w.k_proj = loader.matrix(p + "attn_k.weight", h.kv_size(), h.hidden_size);
  w.v_proj = loader.matrix(p + "attn_v.weight", h.kv_size(), h.hidden_size);
  w.q_bias = loader.optional_vector(p + "attn_q.bias", h.q_size(), h.qkv_bias_required);
  w.k_bias = loader.optional_vector(p + "attn_k.bias", h.kv_size(), h.qkv_bias_required);
  w.v_bias = loader.optional_vector(p + "attn_v.bias", h.kv_size(), h.qkv_bias_required);
  if (h.qk_norm) {
    w.q_norm = loader.vector(p + "attn_q_norm.weight", h.head_dim, offset);
    w.k_norm = loader.vector(p + "attn_k_norm.weight", h.head_dim, offset);
  }
  w.o_proj = loader.matrix(p + "attn_output.weight", h.hidden_size, h.q_size());
  w.o_bias = loader.optional_vector(p + "attn_output.bias", h.hidden_size, false);
  w.pre_feedforward_layernorm = loader.vector(p + "ffn_norm.weight", h.hidden_size, offset);
  w.gate_proj = loader.matrix(p + "ffn_gate.weight", h.intermediate_size, h.hidden_size);
  w.up_proj = loader.matrix(p + "ffn_up.weight", h.intermediate_size, h.hidden_size);
  w.down_proj = loader.matrix(p + "ffn_down.weight", h.hidden_size, h.intermediate_size);
  w.gate_bias = loader.optional_vector(p + "ffn_gate.bias", h.intermediate_size, false);
  w.up_bias = loader.optional_vector(p + "ffn_up.bias", h.intermediate_size, false);
  w.down_bias = loader.optional_vector(p + "ffn_down.bias", h.hidden_size, false);
  if (h.post_norms) {
    w.post_attention_norm = loader.vector(p + "post_attention_norm.weight", h.hidden_size, offset);
    w.post_feedforward_norm = loader.vector(p + "post_ffw_norm.weight", h.hidden_size, offset);
  }
  return w;
}

}  // namespace

template <typename Visit>
void Weights::for_each_matrix(Visit visit) const {
  if (lm_head) visit(*lm_head);
  for (const LayerWeights& w : layers) {
    for (const WeightPointer* matrix :
         {&w.q_proj, &w.k_proj, &w.v_proj, &w.o_proj, &w.gate_proj, &w.up_proj, &w.down_proj}) {
      visit(**matrix);
    }
  }
}

size_t Weights::bytes() const {
  size_t sum = 0;
  for_each_matrix([&](const kernels::Weight& matrix) { sum += matrix.bytes(); });
  return sum;
}

double Weights::mean_input_bytes(const kernels::Backend& backend) const {
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
  const Loader loader(file, backend);
  Weights weights;
  weights.embed_tokens = loader.source("token_embd.weight", h.vocabulary_size, h.hidden_size);
  weights.embed_tokens.name +=
      " of " + file.path().string();  // it is read, and found wrong, long after
  for (int layer = 0; layer < h.layers; ++layer) {
    if (progress) progress(layer, h.layers);
    weights.layers.push_back(load_layer(loader, h, layer));
  }
  weights.norm = loader.vector("output_norm.weight", h.hidden_size, h.norm_weight_offset);
  const bool tied = file.find_tensor("output.weight") == nullptr;
  weights.lm_head =
      loader.matrix(tied ? "token_embd.weight" : "output.weight", h.vocabulary_size, h.hidden_size);
  weights.lm_head_bias = loader.optional_vector("output.bias", h.vocabulary_size, false);
  if (progress) progress(h.layers, h.layers);
  return weights;
}

}  // namespace lazyllm::model
