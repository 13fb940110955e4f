// SPDX-License-Identifier: Apache-2.0
// Token-selective propagation (FastKV, arXiv 2502.01068): full context up to one
// layer, then only the tokens that a pooled window of last queries looks at; no revival.
// FastKV's separate thinning of K,V inside the layers is not part of it.
#include "lazy/policy.h"

namespace lazyllm::lazy {
namespace {

class TspPolicy final : public Policy {
 public:
  TspPolicy(PruningPoint point, ImportanceScore score) : point_(point), score_(score) {}

  std::string_view name() const override { return "tsp"; }
  const ImportanceScore& score() const override { return score_; }
  bool permanent() const override { return true; }

  std::optional<double> keep_after(int layer, StepKind kind) const override {
    if (kind != StepKind::prompt || layer != point_.layer) return std::nullopt;
    return point_.keep;
  }

 private:
  PruningPoint point_;
  ImportanceScore score_;
};

}  // namespace

std::unique_ptr<Policy> make_tsp_policy(PruningPoint point, ImportanceScore score) {
  return std::make_unique<TspPolicy>(point, score);
}

const PolicyDescription& tsp_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "tsp",
      .summary =
          "FastKV's token-selective propagation: one permanent cut by a window of last queries",
      .default_schedule = "50 % of depth : 0.2",
      .cuts = PolicyDescription::Cuts::one,
      .default_cut = {0.5, 0.2},
      .make =
          [](const PruningPlan& plan) {
            return make_tsp_policy(plan.schedule.front(), plan.score);
          },
      .default_window = 8,
      .default_pool = 7,
  };
  return kPolicy;
}

}  // namespace lazyllm::lazy
