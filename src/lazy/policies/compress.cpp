// SPDX-License-Identifier: Apache-2.0
// Selective Context (arXiv 2310.06201; "prompt compression" in the paper's Table 1):
// a dense pass over the prompt gives each token's self-information; the least
// surprising ones are dropped. Token by token, the method's finest unit.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "lazy/policy.h"
#include "lazy/step.h"

namespace lazyllm::lazy {
namespace {

/// -log softmax(logits)[token]
float self_information(std::span<const float> logits, int32_t token) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x - largest));
  return static_cast<float>(std::log(sum) + largest - logits[static_cast<size_t>(token)]);
}

class CompressPolicy final : public Policy {
 public:
  explicit CompressPolicy(double keep) : keep_(keep) {}

  std::string_view name() const override { return "compress"; }
  bool edits_prompt() const override { return true; }

  EditedPrompt edit_prompt(std::span<const int32_t> prompt, const PromptEditor& editor) override {
    Sequence scoring(editor.transformer, {});
    const std::unique_ptr<Policy> dense = make_dense_policy();
    std::vector<int32_t> positions(prompt.size());
    std::iota(positions.begin(), positions.end(), 0);
    // Nothing predicts the first token: it counts as a surprise.
    std::vector<float> scores(prompt.size(), INFINITY);
    StepRequest request;
    request.new_tokens = prompt;
    request.logit_positions = positions;
    request.logits = [&](int64_t position, std::span<const float> logits) {
      const auto next = static_cast<size_t>(position) + 1;
      if (next < prompt.size()) scores[next] = self_information(logits, prompt[next]);
    };
    request.cancel = editor.cancel;
    request.progress = editor.progress;
    const StepReport& report = editor.stepper.step(scoring, *dense, request);
    return {select_from_prompt(scores, keep_, editor), report.computed_pairs};
  }

 private:
  double keep_;
};

}  // namespace

std::unique_ptr<Policy> make_compress_policy(double keep) {
  return std::make_unique<CompressPolicy>(keep);
}

const PolicyDescription& compress_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "compress",
      .summary =
          "Selective Context: drop the prompt's least surprising tokens, found by a first dense "
          "pass",
      .default_schedule = "0:0.5",
      .cuts = PolicyDescription::Cuts::before_the_model,
      .make =
          [](const PruningPlan& plan) { return make_compress_policy(plan.schedule.front().keep); },
  };
  return kPolicy;
}

}  // namespace lazyllm::lazy
