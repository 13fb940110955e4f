// SPDX-License-Identifier: Apache-2.0
// Llama 2 and 3, TinyLlama, SmolLM2, XGen, Mistral with or without its sliding window, Mixtral.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_llama(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "llama");
  // GGUF converters permute the rows of q and k so that pairs lie side by side.
  h.ropes[0].interleaved = file.container() == formats::Container::gguf;
  describe_windows(file, h);
  describe_experts(file, h, /*normalise=*/true);  // Mixtral
  return h;
}

}  // namespace lazyllm::model
