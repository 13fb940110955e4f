// SPDX-License-Identifier: Apache-2.0
// Llama 2 and 3, TinyLlama, SmolLM2, XGen, and Mistral with or without its sliding window.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_llama(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "llama");
  // GGUF converters permute the rows of q and k so that pairs lie side by side.
  h.ropes[0].interleaved = file.container() == formats::Container::gguf;
  const int64_t window = file.integer("llama.attention.sliding_window", 0, INT32_MAX, 0);
  for (LayerParameters& layer : h.layer) layer.sliding_window = static_cast<int>(window);
  return h;
}

}  // namespace lazyllm::model
