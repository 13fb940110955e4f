// SPDX-License-Identifier: Apache-2.0
// Seed-OSS: Llama's block with biases on q, k and v, heads wider than the model's width gives.
#include "model/architecture.h"

namespace lazyllm::model {

Hyperparameters describe_seed_oss(const formats::ModelFile& file) {
  return describe_common(file, "seed_oss");
}

}  // namespace lazyllm::model
