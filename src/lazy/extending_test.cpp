// SPDX-License-Identifier: Apache-2.0
// What docs/guides/add-a-policy.md shows is this file's: it compiles, runs, and stays what it is.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "lazy/policy.h"
#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"

namespace lazyllm::lazy {

// The mean over the last W queries, under another name.
class NewestScore final : public ScoreForm {
  std::string_view name() const override { return "newest"; }
  std::string_view spelling() const override { return "newest:W"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    score.window = text.take_count(kMostQueries, "W must be a number of queries");
  }
  std::string print(const ImportanceScore& score) const override {
    return fmt::format("newest:{}", score.window);
  }
};

const ScoreForm& newest_score() {
  static const NewestScore form;
  return form;
}

// Keeps every token up to the cut's layer, then the share of the cut, in prompts only.
class OncePolicy final : public Policy {
 public:
  explicit OncePolicy(PruningPoint cut) : cut_(cut) {}
  std::string_view name() const override { return "once"; }
  std::optional<double> keep_after(int layer, StepKind kind) const override {
    if (kind != StepKind::prompt || layer != cut_.layer) return std::nullopt;
    return cut_.keep;
  }

 private:
  PruningPoint cut_;
};

const PolicyDescription& once_policy() {
  static constexpr PolicyDescription kPolicy = {
      .name = "once",
      .summary = "one cut of the prompt",
      .default_schedule = "50 % of depth : 0.5",
      .cuts = PolicyDescription::Cuts::one,
      .default_cut = {0.5, 0.5},
      .make = [](const PruningPlan& plan) -> std::unique_ptr<Policy> {
        return std::make_unique<OncePolicy>(plan.schedule.front());
      }};
  return kPolicy;
}

namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Files in a folder that define what the list must name: `NAME_score()` or `NAME_policy()`.
void every_file_is_listed(const char* folder, const std::string& type, const std::string& suffix) {
  const fs::path at = fs::path(LAZYLLM_SOURCE_DIR) / "src/lazy" / folder;
  const std::string list = text_of(at / "list.cpp");
  int found = 0;
  for (const auto& entry : fs::directory_iterator(at)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".cpp") continue;
    if (text_of(entry.path()).find("\nconst " + type + "& " + name + suffix + "() {") ==
        std::string::npos) {
      continue;
    }
    ++found;
    EXPECT_NE(list.find("X(" + name + ")"), std::string::npos)
        << name << " is missing in " << folder << "/list.cpp";
  }
  EXPECT_GE(found, 5);
}

TEST(Extending, EveryFileIsInItsList) {
  every_file_is_listed("scores", "ScoreForm", "_score");
  every_file_is_listed("policies", "PolicyDescription", "_policy");
}

TEST(Extending, EveryPolicyIsMadeUnderItsOwnName) {
  for (const PolicyDescription* policy : policy_descriptions()) {
    PruningPlan plan;
    plan.policy_name = policy->name;
    plan.schedule = {{2, 0.5}};
    EXPECT_EQ(create_policy(plan)->name(), policy->name);
  }
}

TEST(Extending, APolicyThatIsInNoListIsAnErrorAndNotDense) {
  PruningPlan plan;
  plan.policy_name = "forgotten";
  plan.schedule = {{2, 0.5}};
  EXPECT_THROW(create_policy(plan), Error);
}

TEST(Extending, AScoreAndAPolicyOfOnesOwnRun) {
  add_score_form(newest_score());
  add_policy(once_policy());
  const TinyModel model({.layers = 4});
  const model::Hyperparameters& h = model.transformer().hyperparameters();

  PruningOptions options;
  options.score = "newest:3";
  options.prune = "2:0.5";
  const PruningPlan lazy = resolve(options, h);
  EXPECT_EQ(lazy.score.to_string(), "newest:3");
  EXPECT_EQ(lazy.score.window, 3);
  options.policy = "static";  // cannot know what a new score needs
  EXPECT_THROW(resolve(options, h), Error);

  PruningOptions once;
  once.policy = "once";
  const auto policy = create_policy(resolve(once, h));
  Sequence sequence(model.transformer(), {});
  Stepper stepper(model.transformer());
  std::vector<int32_t> prompt;
  for (int32_t i = 0; i < 40; ++i) prompt.push_back(i % 20);
  StepRequest request;
  request.new_tokens = prompt;
  const StepReport& report = stepper.step(sequence, *policy, request);
  EXPECT_EQ(report.set_sizes, (std::vector<int64_t>{40, 40, 20, 20}));
}

TEST(Extending, TheDocumentShowsThisFile) {
  const fs::path root = LAZYLLM_SOURCE_DIR;
  const std::string document = text_of(root / "docs/guides/add-a-policy.md");
  const std::string source = text_of(root / "src/lazy/extending_test.cpp");
  int shown = 0;
  for (size_t at = document.find("```cpp\n"); at != std::string::npos; ++shown) {
    const size_t begin = at + 7, end = document.find("```", begin);
    ASSERT_NE(end, std::string::npos);
    const std::string block = document.substr(begin, end - begin);
    EXPECT_NE(source.find(block), std::string::npos) << "not in extending_test.cpp:\n" << block;
    at = document.find("```cpp\n", end);
  }
  EXPECT_EQ(shown, 2);
}

}  // namespace
}  // namespace lazyllm::lazy
