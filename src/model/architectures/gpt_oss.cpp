// SPDX-License-Identifier: Apache-2.0
// gpt-oss: experts with biases and a clamped SwiGLU, a sink per head, every other layer slides.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_gpt_oss(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "gpt-oss");
  h.activation = kernels::Activation::clamped_swiglu;
  h.qkv_bias_required = true;
  h.sinks = true;
  describe_windows(file, h, /*default_period=*/2);
  describe_experts(file, h, /*normalise=*/true);
  h.experts.biases = true;
  return h;
}

}  // namespace lazyllm::model
