// SPDX-License-Identifier: Apache-2.0
// Random token drop (the paper's first baseline, after Yao et al. 2022): prompt
// tokens are removed at random before the model sees them.
#include <random>

#include "lazy/policy.h"

namespace lazyllm::lazy {
namespace {

class RandomPolicy final : public Policy {
 public:
  explicit RandomPolicy(double keep) : keep_(keep) {}

  std::string_view name() const override { return "random"; }
  bool edits_prompt() const override { return true; }

  EditedPrompt edit_prompt(std::span<const int32_t> prompt, const PromptEditor& editor) override {
    std::vector<float> scores(prompt.size());
    std::mt19937_64 generator(editor.seed);
    // 24 random bits are exact in a float; ties go to the later position.
    for (float& score : scores) score = static_cast<float>(generator() >> 40);
    return {select_from_prompt(scores, keep_, editor), 0};
  }

 private:
  double keep_;
};

}  // namespace

std::unique_ptr<Policy> make_random_policy(double keep) {
  return std::make_unique<RandomPolicy>(keep);
}

const PolicyDescription& random_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "random",
      .summary = "drop random prompt tokens before the model (needs --seed to repeat another draw)",
      .default_schedule = "0:0.5",
      .cuts = PolicyDescription::Cuts::before_the_model,
      .make =
          [](const PruningPlan& plan) { return make_random_policy(plan.schedule.front().keep); },
      .draws = true,
  };
  return kPolicy;
}

}  // namespace lazyllm::lazy
