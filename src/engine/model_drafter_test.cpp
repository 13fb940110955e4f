// SPDX-License-Identifier: Apache-2.0
// What a small model that writes ahead promises: the answers of the large one, to the last figure.
#include "engine/model_drafter.h"

#include <gtest/gtest.h>

#include "engine/answers_for_tests.h"
#include "lazyllm/error.h"
#include "lazyllm/session.h"

namespace lazyllm {
namespace {

struct Said {
  std::vector<TokenId> tokens;
  std::vector<int64_t> revived;
  int64_t drafted = 0, accepted = 0;
};

/// Three turns, the last one after the session was cut back.
Said converse(const std::shared_ptr<const Model>& large, const std::shared_ptr<const Model>& small,
              const PruningOptions& way, float temperature, int lookup) {
  SessionOptions settings;
  settings.pruning = way;
  settings.draft_model = small;
  settings.draft_max = 5;
  Session session(large, settings);
  std::vector<TokenId> conversation = random_tokens(80, 3);
  Said said;
  for (int turn = 0; turn < 3; ++turn) {
    GenerationOptions options;
    options.sampling.temperature = temperature;
    options.sampling.seed = 2;
    options.max_tokens = 25;
    options.prompt_lookup_num_tokens = lookup;
    const auto answer = session.generate(conversation, options);
    said.tokens.insert(said.tokens.end(), answer.tokens.begin(), answer.tokens.end());
    said.revived.push_back(session.statistics().revived_tokens);
    said.drafted += session.statistics().draft_n;
    said.accepted += session.statistics().draft_n_accepted;
    conversation.insert(conversation.end(), answer.tokens.begin(), answer.tokens.end());
    if (turn == 1) conversation.resize(60);
    for (const TokenId token : random_tokens(9, static_cast<unsigned>(turn) + 7)) {
      conversation.push_back(token);
    }
  }
  return said;
}

TEST(ModelDrafterLaw, AnswersAreThoseOfTheLargeModelAlone) {
  const auto large = load_tiny_model({.layers = 6, .context = 512});
  const auto other = load_tiny_model({.layers = 2, .context = 512, .seed = 9});
  const auto short_one = load_tiny_model({.layers = 2, .context = 100, .seed = 9});
  int64_t accepted = 0, refused = 0;
  for (const PruningOptions& way :
       {pruning("dense", ""), pruning("lazy", "2:0.4"), pruning("lazy", "2:0.5,4:0.5"),
        pruning("tsp", "2:0.5"), pruning("random", "0:0.5")}) {
    for (const float temperature : {0.0f, 0.8f}) {
      const Said alone = converse(large, nullptr, way, temperature, 0);
      EXPECT_EQ(alone.drafted, 0);
      for (const auto& small : {large, other, short_one}) {
        for (const int lookup : {0, 4}) {
          const Said said = converse(large, small, way, temperature, lookup);
          EXPECT_EQ(said.tokens, alone.tokens) << way.policy << " " << way.prune;
          EXPECT_EQ(said.revived, alone.revived) << way.policy << " " << way.prune;
          accepted += said.accepted;
          refused += said.drafted - said.accepted;
        }
      }
    }
  }
  EXPECT_GT(accepted + refused, 0);  // how many: by what steps take
}

TEST(ModelDrafter, WritesOnAsTheSmallModelWould) {
  const auto small = load_tiny_model({.layers = 2, .context = 512, .seed = 9});
  const auto prompt = random_tokens(40, 5);
  SessionOptions settings;
  settings.pruning.profile = "auto";
  GenerationOptions greedy;
  greedy.sampling.temperature = 0.0f;
  greedy.max_tokens = 4;
  const auto expected = Session(small, settings).generate(prompt, greedy).tokens;
  engine::ModelDrafter drafter(small, *small, 4, nullptr);
  engine::StepCost cost;  // of a large model: whatever the small one writes pays
  for (int i = 0; i < 100; ++i) {
    cost.note(1, 1e6);
    cost.note(2, 1e6);
  }
  drafter.follow(std::span(prompt).first(39), prompt.back());
  const auto draft = drafter.propose(9, cost, 0);
  EXPECT_EQ(std::vector<TokenId>(draft.begin(), draft.end()), expected);
  EXPECT_TRUE(drafter.propose(0, cost, 0).empty());
}

TEST(ModelDrafter, WritesNothingBehindATokenThatItDoesNotHave) {
  const auto large = load_tiny_model({.layers = 2, .vocabulary = 128});
  const auto small = load_tiny_model({.layers = 2, .vocabulary = 96, .seed = 9});
  std::vector<TokenId> prompt = random_tokens(60, 5);
  prompt[0] = 127;  // far behind when the small model begins
  engine::ModelDrafter drafter(small, *large, 4, nullptr);
  engine::StepCost cost;
  for (int i = 0; i < 100; ++i) {
    cost.note(1, 1e6);
    cost.note(2, 1e6);
  }
  drafter.follow(std::span(prompt).first(59), prompt.back());
  EXPECT_TRUE(drafter.propose(4, cost, 0).empty());
  prompt[0] = 5;
  drafter.follow(std::span(prompt).first(59), prompt.back());
  EXPECT_FALSE(drafter.propose(4, cost, 0).empty());
}

TEST(ModelDrafter, RestsWhereItIsNeverRight) {
  const auto small = load_tiny_model({.layers = 2, .context = 512, .seed = 9});
  engine::ModelDrafter drafter(small, *small, 4, nullptr);
  engine::StepCost cost;
  for (int i = 0; i < 100; ++i) {
    cost.note(1, 1.0);
    cost.note(2, 1.1);
  }
  std::vector<TokenId> text = random_tokens(30, 5);
  int drafts = 0;
  for (int i = 0; i < 200; ++i) {
    drafter.follow(std::span(text).first(text.size() - 1), text.back());
    const auto draft = drafter.propose(4, cost, 0);
    drafts += draft.empty() ? 0 : 1;
    text.push_back(draft.empty() ? 1 : (draft[0] + 1) % 64);  // anything else
  }
  EXPECT_GT(drafts, 0);
  EXPECT_LT(drafts, 80);
}

TEST(ModelDrafter, AnotherVocabularyAndSenselessNumbersAreRefused) {
  const auto large = load_tiny_model({.layers = 2});
  SessionOptions settings;
  settings.draft_model = load_tiny_model({.layers = 2, .vocabulary = 4096});
  try {
    Session session(large, settings);
    FAIL() << "took another vocabulary";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
    EXPECT_NE(std::string(error.what()).find("vocabulary"), std::string::npos);
  }
  settings.draft_model = large;
  for (const int most : {0, -1, kMostDraftedTokens + 1}) {
    settings.draft_max = most;
    EXPECT_THROW(Session(large, settings), Error);
  }
}

}  // namespace
}  // namespace lazyllm
