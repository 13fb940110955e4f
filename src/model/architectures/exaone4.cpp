// SPDX-License-Identifier: Apache-2.0
// EXAONE 4: norms after the branches only, a norm of each head's query and key; where layers slide,
// only these rotate.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_exaone4(const formats::ModelFile& file) {
  constexpr int kDefaultPeriod = 4;  // three sliding layers, then a full one
  Hyperparameters h = describe_common(file, "exaone4");
  h.input_norms = false;
  h.post_norms = true;
  h.qk_norm = true;
  describe_windows(file, h, kDefaultPeriod);
  if (file.integer("exaone4.attention.sliding_window", 0, INT32_MAX, 0) == 0) return h;
  for (LayerParameters& layer : h.layer) layer.rope = layer.sliding_window > 0 ? 0 : -1;
  return h;
}

}  // namespace lazyllm::model
