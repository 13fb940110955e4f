// SPDX-License-Identifier: Apache-2.0
// LFM2, dense and with experts: gated short convolutions in most layers, attention with a norm of
// each head's query and key in the others.
#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {
namespace {

constexpr int64_t kMostHeads = 65536;
constexpr int64_t kMostLayers = 4096;

/// K,V heads of each layer; 0: a convolution.
std::vector<int64_t> kv_heads_by_layer(const formats::ModelFile& file, const std::string& prefix) {
  const auto layers = static_cast<size_t>(file.integer(prefix + "block_count", 1, kMostLayers));
  const int64_t heads = file.integer(prefix + "attention.head_count", 1, kMostHeads);
  const std::string key = prefix + "attention.head_count_kv";
  std::vector<int64_t> listed = file.integers(key);
  if (listed.size() == 1) listed.assign(layers, listed.front());
  if (listed.size() != layers) {
    fail(ErrorCode::invalid_file,
         "{}: {} lists {} layers, but the model has {}; it must hold one number for each, 0 for a "
         "layer of convolution",
         file.path().string(), key, listed.size(), layers);
  }
  for (size_t l = 0; l < layers; ++l) {
    const int64_t count = listed[l];
    if (count >= 0 && count <= heads && (count == 0 || heads % count == 0)) continue;
    fail(ErrorCode::invalid_file,
         "{}: {} is {} in layer {}, expected 0 (a convolution) or a divisor of the {} heads",
         file.path().string(), key, count, l + 1, heads);
  }
  return listed;
}

Hyperparameters describe_hybrid(const formats::ModelFile& file, const std::string& architecture) {
  const std::string prefix = architecture + ".";
  const std::vector<int64_t> kv_heads = kv_heads_by_layer(file, prefix);
  int most_heads = 0;
  bool convolves = false;
  for (const int64_t count : kv_heads) {
    most_heads = std::max(most_heads, static_cast<int>(count));
    convolves |= count == 0;
  }
  if (most_heads == 0) {
    fail(ErrorCode::unsupported,
         "{}: {}attention.head_count_kv is 0 in every layer; a model without any attention is not "
         "supported",
         file.path().string(), prefix);
  }
  Hyperparameters h = describe_common(file, architecture, most_heads);
  h.qk_norm = true;
  describe_windows(file, h);
  const int64_t taps =
      convolves ? file.integer(prefix + "shortconv.l_cache", 2, kernels::kMostTaps) : 0;
  h.convolution_bias = file.boolean(prefix + "shortconv.bias", false);
  for (size_t l = 0; l < h.layer.size(); ++l) {
    LayerParameters& layer = h.layer[l];
    layer.kv_heads = static_cast<int>(kv_heads[l]);
    if (kv_heads[l] > 0) continue;
    layer.convolution = static_cast<int>(taps);
    layer.sliding_window = 0;
    layer.rope = -1;
  }
  return h;
}

}  // namespace

Hyperparameters describe_lfm2(const formats::ModelFile& file) {
  return describe_hybrid(file, "lfm2");
}

Hyperparameters describe_lfm2moe(const formats::ModelFile& file) {
  constexpr int64_t kSoftmax = 1, kSigmoid = 2;  // GGUF's numbers
  Hyperparameters h = describe_hybrid(file, "lfm2moe");
  describe_experts(file, h, /*normalise=*/true);
  if (h.experts.count == 0) {
    fail(ErrorCode::invalid_file, "{}: lfm2moe.expert_count is 0 or missing; fetch the file again",
         file.path().string());
  }
  h.experts.sigmoid =
      file.integer("lfm2moe.expert_gating_func", kSoftmax, kSigmoid, kSigmoid) == kSigmoid;
  h.experts.selection_bias = file.boolean("lfm2moe.expert_selection_bias", true);
  h.experts.least_sum = 1e-6;
  const double scale = file.real("lfm2moe.expert_weights_scale", 1.0);
  if (scale < 0.0) {
    fail(ErrorCode::invalid_file, "{}: lfm2moe.expert_weights_scale is {}, expected above 0",
         file.path().string(), scale);
  }
  h.experts.weight_scale = scale == 0.0 ? 1.0 : scale;  // 0 says nothing
  const auto dense =
      static_cast<size_t>(file.integer("lfm2moe.leading_dense_block_count", 0, h.layers, 0));
  for (size_t l = 0; l < dense; ++l) h.layer[l].experts = false;
  return h;
}

}  // namespace lazyllm::model
