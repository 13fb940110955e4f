// SPDX-License-Identifier: Apache-2.0
// GLM-4-0414 (dense): norms before and after the branches, half of each head rotated in
// neighbouring pairs, gate and up as one matrix.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_glm4(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "glm4");
  h.ropes[0].interleaved = true;  // in both containers
  h.post_norms = true;
  h.fused_gate_up = true;
  return h;
}

}  // namespace lazyllm::model
