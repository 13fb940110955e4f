// SPDX-License-Identifier: Apache-2.0
// OLMo 2: norms after the branches only, norms of the whole query and key.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_olmo2(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "olmo2");
  h.input_norms = false;
  h.post_norms = true;
  h.whole_qk_norm = true;
  return h;
}

}  // namespace lazyllm::model
