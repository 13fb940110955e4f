// SPDX-License-Identifier: Apache-2.0
// IBM Granite 3: Llama with factors on embeddings, attention, branches and logits.
#include <cmath>

#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {

void describe_granite_factors(const formats::ModelFile& file, Hyperparameters& h) {
  const std::string prefix = h.architecture + ".";
  h.embedding_scale = static_cast<float>(file.real(prefix + "embedding_scale", 1.0));
  h.residual_scale = static_cast<float>(file.real(prefix + "residual_scale", 1.0));
  const double divisor = file.real(prefix + "logit_scale", 1.0);
  if (!(divisor > 0.0) || !std::isfinite(divisor)) {
    fail(ErrorCode::invalid_file, "{}: {}logit_scale is {}, expected a positive number",
         file.path().string(), prefix, divisor);
  }
  h.logit_scale = static_cast<float>(1.0 / divisor);
}

Hyperparameters describe_granite(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "granite");
  h.ropes[0].interleaved = file.container() == formats::Container::gguf;  // as llama
  describe_granite_factors(file, h);
  return h;
}

}  // namespace lazyllm::model
