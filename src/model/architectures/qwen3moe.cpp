// SPDX-License-Identifier: Apache-2.0
// Qwen3-30B-A3B, Qwen3-Coder and their like: Qwen3 with experts.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_qwen3moe(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "qwen3moe");
  h.qk_norm = true;
  describe_windows(file, h);
  describe_experts(file, h, /*normalise=*/true);
  return h;
}

}  // namespace lazyllm::model
