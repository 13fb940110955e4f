// SPDX-License-Identifier: Apache-2.0
// Qwen1.5-MoE and Qwen2-57B-A14B: Qwen2 with experts, and one more that every token passes.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_qwen2moe(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "qwen2moe");
  h.qkv_bias_required = file.boolean("qwen2moe.attention.bias", true);
  describe_windows(file, h);
  describe_experts(file, h, /*normalise=*/false);
  ExpertParameters& experts = h.experts;
  // The first files say of the widths only what the experts of a token have together.
  if (!file.has("qwen2moe.expert_feed_forward_length") && experts.used > 0) {
    experts.intermediate_size = h.intermediate_size / experts.used;
  }
  experts.shared_size = static_cast<int>(
      file.integer("qwen2moe.expert_shared_feed_forward_length", 1, 1 << 20, h.intermediate_size));
  experts.shared_is_gated = true;
  return h;
}

}  // namespace lazyllm::model
