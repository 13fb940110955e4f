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

const PolicyDescription& dense_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "dense",
      .summary = "compute every token in every layer",
      .default_schedule = "none",
      .cuts = PolicyDescription::Cuts::none,
      .make = [](const PruningPlan&) { return make_dense_policy(); },
      .takes_any_score = true,
  };
  return kPolicy;
}

}  // namespace lazyllm::lazy
