// SPDX-License-Identifier: Apache-2.0
// The paper: progressive pruning at the schedule's layers, chosen anew at every
// step from all tokens, so that a dropped token can come back (sections 3.1, 3.2).
#include <algorithm>

#include "lazy/policy.h"

namespace lazyllm::lazy {
namespace {

class LazyPolicy final : public Policy {
 public:
  LazyPolicy(Schedule schedule, const ImportanceScore& score, double keep_mass, int query_heads)
      : schedule_(std::move(schedule)), score_(score), keep_mass_(keep_mass) {
    std::vector<int> layers;
    for (const PruningPoint& point : schedule_) layers.push_back(point.layer);
    carried_ = score_.form->carry(score_, layers, query_heads);
  }

  std::string_view name() const override { return "lazy"; }
  const ImportanceScore& score() const override { return score_; }
  double keep_mass() const override { return keep_mass_; }

  std::optional<double> keep_after(int layer, StepKind) const override {
    const auto at = [layer](const PruningPoint& point) { return point.layer == layer; };
    const auto point = std::find_if(schedule_.begin(), schedule_.end(), at);
    if (point == schedule_.end()) return std::nullopt;
    return point->keep;
  }

  bool observes(int layer, StepKind kind) const override {
    const bool pruning_layers_only =
        kind == StepKind::decode && !score_.form->carries_while_decoding();
    return carried_ && carried_->reads(layer) && !pruning_layers_only;
  }

  std::span<const float> head_weights(int layer) const override {
    return carried_ ? carried_->head_weights(layer) : std::span<const float>();
  }

  void combine(int layer, std::span<const int32_t> set, std::span<float> scores) override {
    if (carried_) carried_->combine(layer, set, scores);
  }

 private:
  Schedule schedule_;
  ImportanceScore score_;
  double keep_mass_;
  std::unique_ptr<LayerScores> carried_;  // null: each pruning layer scores alone
};

}  // namespace

std::unique_ptr<Policy> make_lazy_policy(Schedule schedule, const ImportanceScore& score,
                                         double keep_mass, int query_heads) {
  return std::make_unique<LazyPolicy>(std::move(schedule), score, keep_mass, query_heads);
}

const PolicyDescription& lazy_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "lazy",
      .summary = "LazyLLM: prune after layers by the last token's attention, revive at later steps",
      .default_schedule = "a preset",
      .make =
          [](const PruningPlan& plan) {
            return make_lazy_policy(plan.schedule, plan.score, plan.keep_mass, plan.query_heads);
          },
      .takes_any_score = true,
      .is_for_speed = true,
  };
  return kPolicy;
}

}  // namespace lazyllm::lazy
