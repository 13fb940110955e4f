// SPDX-License-Identifier: Apache-2.0
// SmolLM3: Llama without rotation in every fourth layer.
#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_smollm3(const formats::ModelFile& file) {
  constexpr size_t kDefaultStep = 4;
  Hyperparameters h = describe_common(file, "smollm3");
  h.ropes[0].interleaved = file.container() == formats::Container::gguf;  // as llama
  describe_windows(file, h);
  const std::vector<int64_t> rotated = file.integers("smollm3.rope.layers");
  if (!rotated.empty() && rotated.size() != h.layer.size()) {
    fail(ErrorCode::invalid_file, "{}: no_rope_layers lists {} layers, but the model has {}",
         file.path().string(), rotated.size(), h.layers);
  }
  for (size_t l = 0; l < h.layer.size(); ++l) {
    const bool rotates = rotated.empty() ? (l + 1) % kDefaultStep != 0 : rotated[l] != 0;
    if (!rotates) h.layer[l].rope = -1;
  }
  return h;
}

}  // namespace lazyllm::model
