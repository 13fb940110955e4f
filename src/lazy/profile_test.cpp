// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "lazy/policy.h"
#include "lazy/tiny_model_for_tests.h"
#include "lazyllm/error.h"

namespace lazyllm::lazy {
namespace {

using testing::HasSubstr;

class ProfileTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  void write(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }

  std::string text() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string refusal() const {
    try {
      read_profile(path_);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static Profile example() {
    Profile profile;
    profile.fingerprint = "0123456789abcdef";
    profile.model = "tiny";
    profile.created_by = "lazyllm test";
    PruningOptions& p = profile.pruning;
    p.prune = "2:0.5,3:0.25";
    p.score = "heads:1.2=0.5,2.1=1@4";
    p.score_pool = 7;
    p.keep_mass = 0.9;
    p.protect_first = 4;
    p.protect_last = 16;
    p.revive_budget = RevivalBudget{8};
    p.min_prompt = 100;
    profile.measured = {"two books", 12, 2000, 1.9, 0.01, 0.98, -0.005, 1.0, 6, 0.01};
    return profile;
  }

  std::filesystem::path path_ = temporary_model_path() += ".profile.json";
};

TEST_F(ProfileTest, ComesBackAsItWasWritten) {
  const Profile profile = example();
  write_profile(profile, path_);
  const Profile read = read_profile(path_);
  EXPECT_EQ(read.path, path_);
  EXPECT_EQ(read.fingerprint, profile.fingerprint);
  EXPECT_EQ(read.model, profile.model);
  EXPECT_EQ(read.created_by, profile.created_by);
  EXPECT_EQ(read.pruning.prune, profile.pruning.prune);
  EXPECT_EQ(read.pruning.score, profile.pruning.score);
  EXPECT_EQ(read.pruning.score_pool, profile.pruning.score_pool);
  EXPECT_EQ(read.pruning.keep_mass, profile.pruning.keep_mass);
  EXPECT_EQ(read.pruning.protect_first, profile.pruning.protect_first);
  EXPECT_EQ(read.pruning.protect_last, profile.pruning.protect_last);
  EXPECT_EQ(read.pruning.revive_budget->tokens, 8);
  EXPECT_EQ(read.pruning.min_prompt, profile.pruning.min_prompt);
  EXPECT_EQ(read.measured.data, "two books");
  EXPECT_EQ(read.measured.prompts, 12);
  EXPECT_EQ(read.measured.ttft_speedup, 1.9);
  EXPECT_EQ(read.measured.answer_loglik_difference, -0.005);
  EXPECT_EQ(read.measured.needles, 6);
}

TEST_F(ProfileTest, BadFilesAreRefusedWithASentence) {
  EXPECT_THAT(refusal(), HasSubstr("cannot read the profile"));
  write("");
  EXPECT_THAT(refusal(), HasSubstr(path_.string()));
  write("[1,2]");
  EXPECT_THAT(refusal(), HasSubstr(path_.string()));
  write("{\"format\": \"something\"}");
  EXPECT_THAT(refusal(), HasSubstr("is no profile"));
  write("{\"format\": \"lazyllm-profile\", \"version\": 99}");
  EXPECT_THAT(refusal(), HasSubstr("profile version 99"));
  write("{\"format\": \"lazyllm-profile\", \"version\": 1, \"model\": {}}");
  EXPECT_THAT(refusal(), HasSubstr("fingerprint"));
  write(std::string(2 << 20, ' '));
  EXPECT_THAT(refusal(), HasSubstr("is no profile"));

  write_profile(example(), path_);
  const std::string good = text();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    changed.replace(changed.find(from), from.size(), to);
    write(changed);
    return refusal();
  };
  EXPECT_THAT(with("2:0.5", "2-0.5"), HasSubstr("has no colon"));
  EXPECT_THAT(with("heads:1.2", "heads:1"), HasSubstr("--score"));
  EXPECT_THAT(with("\"score_pool\": 7", "\"score_pool\": \"7\""), HasSubstr("score_pool"));
  EXPECT_THAT(with("\"keep_mass\": 0.9", "\"keep_mass\": 1.5"), HasSubstr("keep_mass"));
  EXPECT_THAT(with("\"revive_budget\": 8", "\"revive_budget\": -2"), HasSubstr("revive_budget"));
  EXPECT_THAT(with("\"protect_last\": 16,", ""), HasSubstr("protect_last"));
  // Cut off anywhere: never read as a profile, never a crash.
  for (size_t size = 0; size + 2 < good.size(); size += 7) {
    write(good.substr(0, size));
    EXPECT_NE(refusal(), "") << size;
  }
}

TEST_F(ProfileTest, WhatIsGivenGoesBeforeTheProfileAndThatBeforeThePreset) {
  model::Hyperparameters h;
  h.layers = 8;
  h.heads = 4;
  h.layer.resize(8);
  const Profile profile = example();
  const PruningPlan plan = resolve(with_profile({}, profile), h);
  EXPECT_EQ(to_string(plan.schedule), "2:0.5,3:0.25");
  EXPECT_EQ(plan.score.to_string(), "heads:1.2=0.5,2.1=1@4");
  EXPECT_EQ(plan.score.pool, 7);
  EXPECT_EQ(plan.keep_mass, 0.9);
  EXPECT_EQ(plan.protect_last, 16);
  EXPECT_EQ(plan.revive_budget.tokens, 8);
  EXPECT_EQ(plan.min_prompt, 100);

  PruningOptions options;
  options.prune = "5:0.1";
  options.score = "last";
  options.score_pool = 1;
  options.keep_mass = 0.0;
  options.protect_last = 3;
  EXPECT_EQ(with_profile(options, profile).protect_first, std::nullopt);  // an own prune: no say
  options.prune.clear();
  const PruningPlan own = resolve(with_profile(options, profile), h);
  EXPECT_EQ(to_string(own.schedule), "2:0.5,3:0.25");
  EXPECT_EQ(own.score.to_string(), "last");
  EXPECT_EQ(own.score.pool, 1);
  EXPECT_EQ(own.keep_mass, 0.0);
  EXPECT_EQ(own.protect_last, 3);
  EXPECT_EQ(own.protect_first, 4);

  const PruningPlan preset = resolve({}, h);
  EXPECT_EQ(preset.score.to_string(), "last");
  EXPECT_EQ(preset.keep_mass, 0.0);
}

TEST_F(ProfileTest, APeakReachesFarUnlessToldOtherwise) {
  model::Hyperparameters h;
  h.layers = 8;
  h.heads = 4;
  h.layer.resize(8);
  PruningOptions options;
  EXPECT_EQ(resolve(options, h).score.pool, 7);
  options.score = "peak:3@16";
  EXPECT_EQ(resolve(options, h).score.pool, 41);
  options.prune = "paper";
  EXPECT_EQ(resolve(options, h).score.pool, 41);
  options.score_pool = 5;
  EXPECT_EQ(resolve(options, h).score.pool, 5);
}

}  // namespace
}  // namespace lazyllm::lazy
