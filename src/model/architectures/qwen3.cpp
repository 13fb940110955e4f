// SPDX-License-Identifier: Apache-2.0
// Qwen3 (dense): a norm of each head's query and key, head_dim independent of the width.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_qwen3(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "qwen3");
  h.qk_norm = true;
  describe_windows(file, h);
  return h;
}

}  // namespace lazyllm::model
