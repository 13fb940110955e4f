// SPDX-License-Identifier: Apache-2.0
// Gemma 2: every other layer slides, soft caps on attention and logits, norms after the branches.
#include <cmath>

#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_gemma2(const formats::ModelFile& file) {
  constexpr int kLayersOf27B = 46;
  Hyperparameters h = describe_common(file, "gemma2");
  const bool gguf = file.container() == formats::Container::gguf;
  h.post_norms = true;
  if (!file.has("gemma2.hidden_act")) h.activation = kernels::Activation::gelu_tanh;
  h.embedding_scale = std::sqrt(static_cast<float>(h.hidden_size));
  h.norm_weight_offset = gguf ? 0.0f : 1.0f;  // GGUF converters add the one
  if (h.layers == kLayersOf27B && !file.has("gemma2.attention.scale")) {
    h.attention_scale =
        1.0f / std::sqrt(static_cast<float>(h.hidden_size) / static_cast<float>(h.heads));
  }
  h.attention_soft_cap =
      static_cast<float>(file.real("gemma2.attn_logit_softcapping", gguf ? 50.0 : 0.0));
  h.final_soft_cap =
      static_cast<float>(file.real("gemma2.final_logit_softcapping", gguf ? 30.0 : 0.0));
  if (gguf && !file.has("gemma2.attention.sliding_window_layers")) {  // most say nothing of it
    const auto window =
        static_cast<int>(file.integer("gemma2.attention.sliding_window", 1, INT32_MAX, 4096));
    for (size_t l = 0; l < h.layer.size(); l += 2) h.layer[l].sliding_window = window;
  } else {
    describe_windows(file, h);
  }
  return h;
}

}  // namespace lazyllm::model
