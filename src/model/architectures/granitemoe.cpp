// SPDX-License-Identifier: Apache-2.0
// IBM Granite 3 with experts, with or without one that every token passes.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_granitemoe(const formats::ModelFile& file) {
  Hyperparameters h = describe_common(file, "granitemoe");
  h.ropes[0].interleaved = file.container() == formats::Container::gguf;  // as llama
  describe_granite_factors(file, h);
  describe_experts(file, h, /*normalise=*/true);
  h.experts.shared_size =
      static_cast<int>(file.integer("granitemoe.expert_shared_feed_forward_length", 0, 1 << 20, 0));
  return h;
}

}  // namespace lazyllm::model
