// SPDX-License-Identifier: Apache-2.0
// A trial gives the bits of a session that starts anew, wherever it starts from.
#include "lazyllm/research/pruning_trial.h"

#include <gtest/gtest.h>

#include "engine/tiny_model_for_tests.h"
#include "lazyllm/error.h"

namespace lazyllm {
namespace {

struct Forced {
  std::vector<std::vector<float>> logits;
  std::vector<int64_t> kept_per_layer;
};

Forced forced(const std::shared_ptr<const Model>& model, const PruningOptions& pruning,
              const std::vector<TokenId>& prompt, const std::vector<TokenId>& continuation) {
  SessionOptions options;
  options.pruning = pruning;
  Session session(model, options);
  Forced result;
  session.forced_logits(prompt, continuation, [&](int64_t, std::span<const float> logits) {
    result.logits.emplace_back(logits.begin(), logits.end());
  });
  result.kept_per_layer = session.statistics().kept_per_layer;
  return result;
}

std::vector<TokenId> greedy(const std::shared_ptr<const Model>& model,
                            const std::vector<TokenId>& prompt, int64_t tokens) {
  SessionOptions options;
  options.pruning.policy = "dense";
  GenerationOptions generation;
  generation.sampling.temperature = 0.0f;
  generation.max_tokens = tokens;
  generation.ignore_eos = true;
  return Session(model, options).generate(prompt, generation).tokens;
}

TEST(PruningTrial, GivesWhatASessionGives) {
  const std::shared_ptr<const Model> model = load_tiny_model();
  const std::vector<TokenId> prompt = random_tokens(90, 1), answer = random_tokens(9, 2);
  const std::vector<int> depths = {1, 2};
  PruningTrial trial(model, {}, prompt, answer, depths, 7);
  PruningOptions dense;
  dense.policy = "dense";
  EXPECT_EQ(trial.dense().logits, forced(model, dense, prompt, answer).logits);
  const std::vector<TokenId>& own = trial.own_answer();
  EXPECT_EQ(own, greedy(model, prompt, 7));
  EXPECT_EQ(trial.dense().own_logits, forced(model, dense, prompt, own).logits);
  // The last schedule begins at a depth that the trial did not keep.
  for (const char* schedule : {"1:0.5", "2:0.3", "1:0.6,2:0.4", "3:0.5"}) {
    for (const char* score : {"last", "window:4", "value:4", "window:200", "ahead", "ahead:1",
                              "accumulate:2", "peak:2@4", "heads:1.1=0.5,1.2"}) {
      PruningOptions options;
      options.prune = schedule;
      options.score = score;
      options.protect_first = 1;
      options.protect_last = 3;
      options.revive_budget = RevivalBudget{2};
      options.min_prompt = 0;
      const PruningTrial::Outcome outcome = trial.run(options);
      const Forced expected = forced(model, options, prompt, answer);
      EXPECT_EQ(outcome.logits, expected.logits) << schedule << " " << score;
      EXPECT_EQ(outcome.own_logits, forced(model, options, prompt, own).logits)
          << schedule << " " << score;
      EXPECT_EQ(outcome.kept_per_layer, expected.kept_per_layer) << schedule << " " << score;
    }
  }
}

TEST(PruningTrial, GivesWhatASessionOfAnotherPolicyGives) {
  const std::shared_ptr<const Model> model = load_tiny_model();
  const std::vector<TokenId> prompt = random_tokens(90, 1), answer = random_tokens(9, 2);
  const std::vector<int> depths = {1, 2};
  PruningTrial trial(model, {}, prompt, answer, depths, 7);
  for (const char* policy : {"tsp", "static"}) {
    for (const char* schedule : {"1:0.5", "2:0.3", "3:0.5"}) {
      for (const char* score : {"last", "window:4"}) {
        PruningOptions options;
        options.policy = policy;
        options.prune = schedule;
        options.score = score;
        options.protect_last = 3;
        options.min_prompt = 0;
        const PruningTrial::Outcome outcome = trial.run(options);
        const Forced expected = forced(model, options, prompt, answer);
        EXPECT_EQ(outcome.logits, expected.logits) << policy << " " << schedule << " " << score;
        EXPECT_EQ(outcome.kept_per_layer, expected.kept_per_layer) << policy << " " << schedule;
      }
    }
  }
}

TEST(PruningTrial, RefusesWhatCannotBeRun) {
  const std::shared_ptr<const Model> model = load_tiny_model();
  EXPECT_THROW(PruningTrial(model, {}, {}, {1}, {}), Error);
  EXPECT_THROW(PruningTrial(model, {}, {1}, {}, {}), Error);
  PruningTrial trial(model, {}, {1, 2, 3}, {4}, {});
  PruningOptions options;
  options.prune = "99:0.5";
  EXPECT_THROW(trial.run(options), Error);
}

}  // namespace
}  // namespace lazyllm
