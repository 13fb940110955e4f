// SPDX-License-Identifier: Apache-2.0
// Every token in every layer: the baseline.
#include "lazy/policy.h"

namespace lazyllm::lazy {
namespace {

class DensePolicy final : public Policy {
 public:
  std::string_view name() const override { return "dense"; }
};

}  // namespace

std::unique_ptr<Policy> make_dense_policy() {
  return std::make_unique<DensePolicy>();
}

}  // namespace lazyllm::lazy
