// SPDX-License-Identifier: Apache-2.0
// GemFilter (arXiv 2409.17422): run the first layers over the whole prompt, keep the
// tokens whose keys there have the largest inner products with the last query, and
// start the model again on them alone, at new contiguous positions.
#include "lazy/policy.h"
#include "lazy/step.h"

namespace lazyllm::lazy {
namespace {

class GemPolicy final : public Policy {
 public:
  GemPolicy(PruningPoint point, int pool) : point_(point), pool_(pool) {}

  std::string_view name() const override { return "gem"; }
  bool edits_prompt() const override { return true; }

  EditedPrompt edit_prompt(std::span<const int32_t> prompt, const PromptEditor& editor) override {
    Sequence first_pass(editor.transformer, {});
    const std::unique_ptr<Policy> dense = make_dense_policy();
    StepRequest request;
    request.new_tokens = prompt;
    request.stop_depth = point_.layer;
    request.cancel = editor.cancel;
    request.progress = editor.progress;
    const StepReport& report = editor.stepper.step(first_pass, *dense, request);
    std::vector<float> scores = editor.stepper.last_query_products(point_.layer - 1);
    std::vector<double> scratch;
    pool_scores(scores, pool_, scratch);
    return {select_from_prompt(scores, point_.keep, editor), report.computed_pairs};
  }

 private:
  PruningPoint point_;
  int pool_;
};

}  // namespace

const PolicyDescription& gem_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "gem",
      .summary =
          "GemFilter: run the first layers, keep the best tokens, start again with them alone",
      .default_schedule = "40 % of depth : 0.3",
      .cuts = PolicyDescription::Cuts::one,
      .default_cut = {0.4, 0.3},
      .make =
          [](const PruningPlan& plan) {
            return make_gem_policy(plan.schedule.front(), plan.score.pool);
          },
  };
  return kPolicy;
}

std::unique_ptr<Policy> make_gem_policy(PruningPoint point, int pool) {
  return std::make_unique<GemPolicy>(point, pool);
}

}  // namespace lazyllm::lazy
