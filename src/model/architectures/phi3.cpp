// SPDX-License-Identifier: Apache-2.0
// Phi 3, Phi 3.5, Phi 4: Llama with fused matrices, long ropes and partial rotation.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_phi3(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "phi3");
  h.fused_qkv = true;
  h.fused_gate_up = true;
  describe_windows(file, h);
  return h;
}

}  // namespace lazyllm::model
