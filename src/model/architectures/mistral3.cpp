// SPDX-License-Identifier: Apache-2.0
// Ministral 3 (the text part): Llama whose queries grow beyond the context it was first trained on.
#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_mistral3(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "mistral3");
  h.ropes[0].interleaved = file.container() == formats::Container::gguf;  // as llama
  describe_windows(file, h);
  describe_experts(file, h, /*normalise=*/true);
  h.temperature_scale = file.real("mistral3.attention.temperature_scale", 0.0);
  h.temperature_length =
      file.real("mistral3.attention.temperature_length", h.ropes[0].original_context);
  if (!(h.temperature_scale >= 0.0 && h.temperature_scale < 1e3 && h.temperature_length >= 1.0)) {
    fail(ErrorCode::invalid_file,
         "{}: mistral3.attention.temperature_scale is {} and its length {}; convert the model "
         "again",
         file.path().string(), h.temperature_scale, h.temperature_length);
  }
  return h;
}

}  // namespace lazyllm::model
