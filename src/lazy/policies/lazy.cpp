// SPDX-License-Identifier: Apache-2.0
// The paper: progressive pruning at the schedule's layers, chosen anew at every
// step from all tokens, so that a dropped token can come back (sections 3.1, 3.2).
#include <algorithm>

#include "lazy/policy.h"

namespace lazyllm::lazy {
namespace {

class LazyPolicy final : public Policy {
 public:
  LazyPolicy(Schedule schedule, ImportanceScore score)
      : schedule_(std::move(schedule)), score_(score) {}

  std::string_view name() const override { return "lazy"; }
  ImportanceScore score() const override { return score_; }

  std::optional<double> keep_after(int layer, StepKind) const override {
    const auto at = [layer](const PruningPoint& point) { return point.layer == layer; };
    const auto point = std::find_if(schedule_.begin(), schedule_.end(), at);
    if (point == schedule_.end()) return std::nullopt;
    return point->keep;
  }

 private:
  Schedule schedule_;
  ImportanceScore score_;
};

}  // namespace

std::unique_ptr<Policy> make_lazy_policy(Schedule schedule, ImportanceScore score) {
  return std::make_unique<LazyPolicy>(std::move(schedule), score);
}

}  // namespace lazyllm::lazy
