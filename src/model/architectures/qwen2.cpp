// SPDX-License-Identifier: Apache-2.0
// Qwen2 and Qwen2.5: Llama's block with biases on q, k and v.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_qwen2(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "qwen2");
  h.qkv_bias_required = true;
  describe_windows(file, h);
  return h;
}

}  // namespace lazyllm::model
