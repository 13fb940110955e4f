// SPDX-License-Identifier: Apache-2.0
// Gemma 3 (text): sliding-window layers with a rope of their own between full ones,
// norms of q and k, norms after attention and feed-forward, scaled embeddings.
#include <cmath>

#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {
namespace {

constexpr int kDefaultPattern = 6;  // five sliding layers, then a full one
constexpr int kLayersOf27B = 62;
constexpr double kDefaultLocalBase = 10000.0;

std::vector<bool> sliding_layers(const formats::ModelFile& file, int layers) {
  const std::vector<int64_t> listed = file.integers("gemma3.attention.sliding_window_layers");
  if (!listed.empty() && listed.size() != static_cast<size_t>(layers)) {
    fail(ErrorCode::invalid_file, "{}: layer_types lists {} layers, but the model has {}",
         file.path().string(), listed.size(), layers);
  }
  const int64_t pattern =
      file.integer("gemma3.attention.sliding_window_pattern", 1, 4096, kDefaultPattern);
  std::vector<bool> sliding(static_cast<size_t>(layers));
  for (size_t l = 0; l < sliding.size(); ++l) {
    sliding[l] = listed.empty() ? (static_cast<int64_t>(l) + 1) % pattern != 0 : listed[l] != 0;
  }
  return sliding;
}

}  // namespace

Hyperparameters describe_gemma3(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "gemma3");
  h.qk_norm = true;
  h.post_norms = true;
  if (!file.has("gemma3.hidden_act")) h.activation = kernels::Activation::gelu_tanh;
  h.embedding_scale = std::sqrt(static_cast<float>(h.hidden_size));
  // GGUF converters add the one to the stored weights.
  h.norm_weight_offset = file.container() == formats::Container::hugging_face ? 1.0f : 0.0f;
  // Converters leave the scale out. Of the released models only 27B's differs from its head's
  // width.
  if (h.layers == kLayersOf27B && !file.has("gemma3.attention.scale")) {
    h.attention_scale =
        1.0f / std::sqrt(static_cast<float>(h.hidden_size) / static_cast<float>(h.heads));
  }
  h.attention_soft_cap = static_cast<float>(file.real("gemma3.attn_logit_softcapping", 0.0));
  h.final_soft_cap = static_cast<float>(file.real("gemma3.final_logit_softcapping", 0.0));
  if (!file.has("gemma3.rope.freq_base")) h.ropes[0].base = 1000000.0;

  RopeParameters local = h.ropes[0];
  local.base = file.real("gemma3.rope.freq_base_swa", kDefaultLocalBase);
  local.scaling = RopeScaling::none;
  local.factor = 1.0;
  local.attention_factor = 0.0;
  local.attention_multiplier = 1.0;
  local.frequency_divisors.clear();
  h.ropes.push_back(local);

  const auto window =
      static_cast<int>(file.integer("gemma3.attention.sliding_window", 1, INT32_MAX, 512));
  const std::vector<bool> sliding = sliding_layers(file, h.layers);
  for (size_t l = 0; l < sliding.size(); ++l) {
    if (sliding[l]) h.layer[l] = {.sliding_window = window, .rope = 1};
  }
  return h;
}

}  // namespace lazyllm::model
