// SPDX-License-Identifier: Apache-2.0
// A model whose layers are split over ranks gives the bits of one machine, whatever is asked of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "engine/split_model_for_tests.h"
#include "engine/tiny_model_for_tests.h"
#include "lazyllm/error.h"
#include "lazyllm/policies.h"
#include "lazyllm/session.h"

namespace lazyllm {
namespace {

constexpr lazy::TinyShape kShape{.layers = 6};

SessionOptions with_policy(const std::string& policy, const std::string& prune,
                           const std::string& score = "") {
  SessionOptions options;
  options.pruning.policy = policy;
  options.pruning.prune = prune;
  options.pruning.min_prompt = 0;
  options.pruning.protect_first = 1;
  options.pruning.protect_last = 2;
  options.pruning.revive_budget = RevivalBudget{3};
  if (!score.empty()) options.pruning.score = score;
  return options;
}

struct Outcome {
  std::vector<TokenId> tokens;
  std::vector<float> logits;  // behind a further turn, bit for bit
  std::vector<int64_t> kept;
  bool operator==(const Outcome&) const = default;
};

/// Two turns, the second one in what the first left, and logits behind all of them.
Outcome converse(const std::shared_ptr<const Model>& model, const SessionOptions& options) {
  Session session(model, options);
  GenerationOptions greedy;
  greedy.sampling.temperature = 0.0f;
  greedy.max_tokens = 6;
  std::vector<TokenId> tokens = random_tokens(70);
  Outcome outcome;
  for (unsigned turn = 0; turn < 2; ++turn) {
    const GenerationResult result = session.generate(tokens, greedy);
    outcome.tokens.insert(outcome.tokens.end(), result.tokens.begin(), result.tokens.end());
    outcome.kept = session.statistics().kept_per_layer;
    tokens.insert(tokens.end(), result.tokens.begin(), result.tokens.end());
    for (const TokenId token : random_tokens(9, turn + 2)) tokens.push_back(token);
  }
  session.forced_logits(tokens, random_tokens(4, 7), [&](int64_t, std::span<const float> logits) {
    outcome.logits.insert(outcome.logits.end(), logits.begin(), logits.end());
  });
  return outcome;
}

class SplitModelTest : public testing::TestWithParam<int> {};

TEST_P(SplitModelTest, EveryPolicyGivesTheBitsOfOneMachine) {
  const auto whole = load_tiny_model(kShape);
  const SplitModel split(GetParam(), kShape);
  for (const PolicyInfo& policy : policies()) {
    const bool before_the_model = policy.name == "random" || policy.name == "compress";
    for (const char* const point : {"2:0.5", "3:0.4", "5:0.3"}) {
      const std::string prune = policy.name == "dense" ? ""
                                : before_the_model     ? "0:0.5"
                                                       : std::string(point);
      const SessionOptions options = with_policy(policy.name, prune);
      EXPECT_EQ(converse(split.model(), options), converse(whole, options))
          << policy.name << " " << prune;
      if (policy.name == "dense" || before_the_model) break;
    }
  }
}

TEST_P(SplitModelTest, EveryScoreAndSeveralCutsGiveTheBitsOfOneMachine) {
  const auto whole = load_tiny_model(kShape);
  const SplitModel split(GetParam(), kShape);
  for (const char* const score :
       {"last", "window:4", "accumulate:2", "peak:3@4", "ahead", "ahead:2", "heads:2.1=1,4.3=2"}) {
    const SessionOptions options = with_policy("lazy", "2:0.6,3:0.7,5:0.5", score);
    EXPECT_EQ(converse(split.model(), options), converse(whole, options)) << score;
  }
}

TEST_P(SplitModelTest, EveryCacheTypeGivesTheBitsOfOneMachine) {
  constexpr lazy::TinyShape shape{.layers = 6, .head_dim = 32};
  const auto whole = load_tiny_model(shape);
  const SplitModel split(GetParam(), shape);
  for (const CacheType type : {CacheType::f16, CacheType::f32, CacheType::q8_0}) {
    SessionOptions options = with_policy("lazy", "3:0.5");
    options.cache_type_k = options.cache_type_v = type;
    EXPECT_EQ(converse(split.model(), options), converse(whole, options)) << static_cast<int>(type);
  }
}

TEST_P(SplitModelTest, LogitsOfManyPositionsAreThoseOfOneMachine) {
  const SplitModel split(GetParam(), kShape);
  const auto tokens = random_tokens(90);
  std::vector<int32_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), 0);
  const auto all = [&](const std::shared_ptr<const Model>& model) {
    std::vector<float> values;
    Session session(model);
    session.logits(tokens, positions, [&](int64_t, std::span<const float> logits) {
      values.insert(values.end(), logits.begin(), logits.end());
    });
    return values;
  };
  EXPECT_EQ(all(split.model()), all(load_tiny_model(kShape)));
}

TEST_P(SplitModelTest, ALongPromptFlowsInWavesAndGivesTheBitsOfOneMachine) {
  constexpr lazy::TinyShape shape{.layers = 6, .context = 2048};
  const auto whole = load_tiny_model(shape);
  const SplitModel split(GetParam(), shape);
  const auto read = [](const std::shared_ptr<const Model>& model, const SessionOptions& options,
                       int* tiles) {
    Session session(model, options);
    GenerationOptions greedy;
    greedy.sampling.temperature = 0.0f;
    greedy.max_tokens = 3;
    GenerationCallbacks callbacks;
    double last = 0.0;
    callbacks.on_progress = [&](double share, int, int) {
      EXPECT_TRUE(share >= last || options.pruning.policy == "gem");  // which begins anew
      last = share;
      ++*tiles;
    };
    Outcome outcome;
    auto tokens = random_tokens(1300);
    for (int turn = 0; turn < 2; ++turn) {
      last = 0.0;
      const GenerationResult result = session.generate(tokens, greedy, callbacks);
      outcome.tokens.insert(outcome.tokens.end(), result.tokens.begin(), result.tokens.end());
      outcome.kept = session.statistics().kept_per_layer;
      for (const TokenId token : random_tokens(600, 5)) tokens.push_back(token);
    }
    return outcome;
  };
  int waves = 0, tiles = 0;
  EXPECT_EQ(read(split.model(), with_policy("dense", ""), &waves),
            read(whole, with_policy("dense", ""), &tiles));
  EXPECT_GT(waves, tiles);
  for (const char* const score : {"last", "window:300", "peak:3@16", "ahead"}) {
    for (const char* const prune : {"2:0.5,5:0.3", "4:0.2"}) {
      const SessionOptions options = with_policy("lazy", prune, score);
      EXPECT_EQ(read(split.model(), options, &waves), read(whole, options, &tiles))
          << score << " " << prune;
    }
  }
  for (const char* const policy : {"tsp", "gem", "static"}) {
    const SessionOptions options = with_policy(policy, "5:0.4");
    EXPECT_EQ(read(split.model(), options, &waves), read(whole, options, &tiles)) << policy;
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, SplitModelTest, testing::Values(2, 3));

std::string refusal(int ranks, const lazy::TinyShape& shape) {
  try {
    const SplitModel split(ranks, shape);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SplitModel, MoreRanksThanLayersAreRefused) {
  EXPECT_THAT(refusal(5, {.layers = 4}), testing::HasSubstr("5 ranks for 4 layers"));
}

TEST(SplitModel, AMixtureOfExpertsIsRefused) {
  EXPECT_THAT(refusal(2, {.experts = 4}), testing::HasSubstr("mixture of experts"));
}

}  // namespace
}  // namespace lazyllm
