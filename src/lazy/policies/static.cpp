// SPDX-License-Identifier: Apache-2.0
// Static token pruning (the paper's second baseline): one permanent cut of the
// prompt by the attention scores of the first few layers, summed up.
#include "lazy/policy.h"

namespace lazyllm::lazy {
namespace {

class StaticPolicy final : public Policy {
 public:
  StaticPolicy(PruningPoint point, ImportanceScore score) : point_(point), score_(score) {}

  std::string_view name() const override { return "static"; }
  const ImportanceScore& score() const override { return score_; }
  bool permanent() const override { return true; }

  std::optional<double> keep_after(int layer, StepKind kind) const override {
    if (kind != StepKind::prompt || layer != point_.layer) return std::nullopt;
    return point_.keep;
  }

  bool observes(int layer, StepKind kind) const override {
    return kind == StepKind::prompt && layer <= point_.layer;
  }

  void combine(int layer, std::span<const int32_t>, std::span<float> scores) override {
    if (layer <= last_layer_ || sums_.size() != scores.size()) sums_.assign(scores.size(), 0.0f);
    last_layer_ = layer;
    for (size_t i = 0; i < scores.size(); ++i) {
      sums_[i] += scores[i];
      scores[i] = sums_[i];
    }
  }

 private:
  PruningPoint point_;
  ImportanceScore score_;
  std::vector<float> sums_;  // over the layers so far
  int last_layer_ = 0;       // that was added; a new step begins there or before
};

}  // namespace

std::unique_ptr<Policy> make_static_policy(PruningPoint point, ImportanceScore score) {
  return std::make_unique<StaticPolicy>(point, score);
}

const PolicyDescription& static_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "static",
      .summary = "one permanent cut by the attention of the first layers",
      .default_schedule = "30 % of depth : 0.5",
      .cuts = PolicyDescription::Cuts::one,
      .default_cut = {0.3, 0.5},
      .make =
          [](const PruningPlan& plan) {
            return make_static_policy(plan.schedule.front(), plan.score);
          },
  };
  return kPolicy;
}

}  // namespace lazyllm::lazy
