// SPDX-License-Identifier: Apache-2.0
// Random token drop (the paper's first baseline, after Yao et al. 2022): prompt
// tokens are removed at random before the model sees them.
#include <algorithm>
#include <random>

#include "lazy/policy.h"
#include "lazy/selection.h"

namespace lazyllm::lazy {
namespace {

class RandomPolicy final : public Policy {
 public:
  explicit RandomPolicy(double keep) : keep_(keep) {}

  std::string_view name() const override { return "random"; }
  bool edits_prompt() const override { return true; }

  EditedPrompt edit_prompt(std::span<const int32_t> prompt, const PromptEditor& editor) override {
    const auto count = static_cast<int32_t>(prompt.size());
    std::vector<int32_t> set(prompt.size());
    std::vector<float> scores(prompt.size());
    std::mt19937_64 generator(editor.seed);
    for (int32_t i = 0; i < count; ++i) {
      set[static_cast<size_t>(i)] = i;
      // 24 random bits are exact in a float; ties go to the later position.
      scores[static_cast<size_t>(i)] = static_cast<float>(generator() >> 40);
    }
    const auto is_protected = [&](int32_t i) {
      return i < editor.protect_first || i >= count - editor.protect_last;
    };
    int64_t unlimited = -1;
    return {select({set, scores, kept_count(keep_, count), is_protected,
                    [](int32_t) { return Standing::ready; }},
                   unlimited),
            0};
  }

 private:
  double keep_;
};

}  // namespace

std::unique_ptr<Policy> make_random_policy(double keep) { return std::make_unique<RandomPolicy>(keep); }

}  // namespace lazyllm::lazy
