// SPDX-License-Identifier: Apache-2.0
// What prompt lookup promises: the answer without it, to the bit, whatever is pruned, drawn,
// forbidden or cancelled; and proposals only where they pay.
#include "engine/prompt_lookup.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/answers_for_tests.h"
#include "engine/generation.h"
#include "engine/profiles.h"
#include "lazyllm/session.h"

namespace lazyllm {
namespace {

constexpr int kLayers = 6;

/// `hybrid`: with short convolutions where no way cuts.
std::shared_ptr<const Model> lookup_model(bool hybrid = false) {
  static const std::shared_ptr<const Model> models[] = {
      load_tiny_model({.layers = kLayers, .context = 512}),
      load_tiny_model({.layers = kLayers, .context = 512, .convolutions = {4, 5}})};
  return models[hybrid ? 1 : 0];
}

/// Says the same again and again, so that there is something to find.
std::vector<TokenId> repeating(int64_t phrase, int64_t times, unsigned seed) {
  const auto words = random_tokens(static_cast<int>(phrase), seed, 12);
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < times; ++i) tokens.insert(tokens.end(), words.begin(), words.end());
  return tokens;
}

struct Way {
  std::string policy, prune;
  int64_t revive = RevivalBudget::kAll;
  std::string score = "last";
  double keep_mass = 0.0;
};

const Way kWays[] = {
    {"dense", ""},
    {"lazy", "2:0.4"},
    {"lazy", "2:0.4", 0},
    {"lazy", "2:0.5,4:0.5", 1},
    {"lazy", "1:0.5,2:0.6,4:0.4", 2, "accumulate:2"},
    {"lazy", "2:0.4", 3, "peak:2@4"},
    {"lazy", "3:0.3", RevivalBudget::kAll, "window:8", 0.9},
    {"lazy", "3:0.3", 2, "ahead"},
    {"tsp", "2:0.5"},
    {"static", "2:0.5"},
    {"random", "0:0.5"},
    {"compress", "0:0.5"},
};

PruningOptions options_of(const Way& way) {
  PruningOptions options = pruning(way.policy, way.prune);
  options.revive_budget = RevivalBudget{way.revive};
  if (way.score != "last") options.score = way.score;
  if (way.keep_mass > 0.0) options.keep_mass = way.keep_mass;
  return options;
}

/// All that a generation is after each token: for comparison to the bit.
struct Trace {
  std::vector<TokenId> tokens;
  std::vector<std::vector<float>> logits;
  std::vector<std::vector<int>> depths;  // of all tokens, after the answer
  Statistics statistics;
  TokenReport report;
  bool operator==(const Trace& other) const {
    return tokens == other.tokens && logits == other.logits && depths == other.depths;
  }
};

/// `bias`: makes the tiny model say what stands in the prompt, so that drafts are right now and
/// then; the logits are compared as the model gave them.
Trace generate(const Way& way, std::span<const TokenId> prompt, int64_t lookup, float temperature,
               float bias, bool hybrid) {
  const auto model = lookup_model(hybrid);
  engine::Generation generation(model, engine::make_plan(options_of(way), *model), {});
  generation.record_depths();
  generation.record_computed_share();
  lazy::Stepper stepper(generation.transformer());
  GenerationOptions options;
  options.sampling.temperature = temperature;
  options.sampling.seed = 5;
  options.sampling.repeat_penalty = 1.05f;
  options.max_tokens = 40;
  options.prompt_lookup_num_tokens = lookup;
  for (const TokenId token : random_tokens(6, 3, 12)) {
    options.sampling.logit_bias.push_back({token, bias});
  }
  generation.begin_answer(options, nullptr, engine::Generation::Clock::now());
  generation.begin_prompt({prompt, {}, false, nullptr, {}}, stepper);
  generation.end_prompt(
      stepper.step(generation.sequence(), generation.policy(), generation.prompt_step()));
  Trace trace;
  while (true) {
    trace.logits.emplace_back(generation.logits().begin(), generation.logits().end());
    trace.tokens.push_back(generation.write().token);
    if (generation.writer().finish_reason()) break;
    // Steps of the tiny model tell nothing of time: what pays is always the usual.
    engine::StepCost usual;
    generation.decode(trace.tokens.back(), stepper, {&usual, 0, 512});
  }
  generation.finish_statistics();
  const lazy::Sequence& sequence = generation.sequence();
  EXPECT_EQ(generation.confirmed_size(), sequence.size());
  trace.depths.emplace_back();
  for (int64_t t = 0; t < sequence.size(); ++t) trace.depths[0].push_back(sequence.depth(t));
  // What waits stands where it stood: its row is compared by carrying it on.
  trace.statistics = generation.statistics();
  trace.report = generation.token_report();
  generation.decode(1, stepper);
  trace.logits.emplace_back(generation.logits().begin(), generation.logits().end());
  return trace;
}

TEST(PromptLookupLaw, AnswersAreThoseWithoutItToTheBit) {
  int64_t drafted = 0, accepted = 0, revived = 0;
  for (const Way& way : kWays) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
      const auto prompt = repeating(7 + seed * 5, 5, seed);
      const float temperature = seed % 2 == 0 ? 0.0f : 0.7f;
      const float bias = seed % 3 == 0 ? 4.0f : 0.0f;
      SCOPED_TRACE(fmt::format("{} {} score {} seed {}", way.policy, way.prune, way.score, seed));
      const bool hybrid = seed > 4;
      const Trace without = generate(way, prompt, 0, temperature, bias, hybrid);
      const Trace with = generate(way, prompt, 8, temperature, bias, hybrid);
      EXPECT_EQ(without.statistics.draft_n, 0);
      ASSERT_EQ(with.tokens, without.tokens);
      ASSERT_EQ(with.logits, without.logits);
      EXPECT_EQ(with.depths, without.depths);
      EXPECT_EQ(with.statistics.revived_tokens, without.statistics.revived_tokens);
      EXPECT_EQ(with.statistics.computed_by_step, without.statistics.computed_by_step);
      EXPECT_EQ(with.statistics.computed_fraction_end, without.statistics.computed_fraction_end);
      ASSERT_EQ(with.report.revivals.size(), without.report.revivals.size());
      for (size_t i = 0; i < with.report.revivals.size(); ++i) {
        EXPECT_EQ(with.report.revivals[i].step, without.report.revivals[i].step);
        EXPECT_EQ(with.report.revivals[i].token, without.report.revivals[i].token);
        EXPECT_EQ(with.report.revivals[i].depth, without.report.revivals[i].depth);
      }
      drafted += with.statistics.draft_n;
      accepted += with.statistics.draft_n_accepted;
      if (with.statistics.draft_n > 0) revived += with.statistics.revived_tokens;
      EXPECT_LE(with.statistics.draft_n_accepted, with.statistics.draft_n);
    }
  }
  EXPECT_GT(accepted, 50);
  EXPECT_GT(drafted, accepted + 50);  // some were taken back
  EXPECT_GT(revived, 50);
}

TEST(PromptLookupLaw, ASessionGoesOnAsWithoutItAlsoAfterACancel) {
  const auto converse = [&](int64_t lookup, const Way& way) {
    SessionOptions settings;
    settings.pruning = options_of(way);
    Session session(lookup_model(), settings);
    std::vector<TokenId> conversation = repeating(11, 8, 4), said;
    for (int turn = 0; turn < 3; ++turn) {
      GenerationOptions options;
      options.sampling.temperature = 0.0f;
      options.max_tokens = 30;
      options.prompt_lookup_num_tokens = lookup;
      const auto answer = session.generate(conversation, options);
      EXPECT_EQ(session.size(), std::ssize(conversation) + 29);
      conversation.insert(conversation.end(), answer.tokens.begin(), answer.tokens.end());
      said.insert(said.end(), answer.tokens.begin(), answer.tokens.end());
      const auto more = repeating(5, 3, static_cast<unsigned>(turn) + 20);
      conversation.insert(conversation.end(), more.begin(), more.end());
    }
    return said;
  };
  for (const Way& way : kWays) EXPECT_EQ(converse(6, way), converse(0, way)) << way.policy;
}

TEST(PromptLookupLaw, ACancelIsNoticedBetweenDraftedTokens) {
  int64_t ahead = 0;
  for (const Way& way : kWays) {
    engine::Generation generation(lookup_model(),
                                  engine::make_plan(options_of(way), *lookup_model()), {});
    lazy::Stepper stepper(generation.transformer());
    GenerationOptions options;
    options.sampling.temperature = 0.0f;
    options.prompt_lookup_num_tokens = 8;
    const auto prompt = repeating(11, 8, 4);
    generation.begin_answer(options, nullptr, engine::Generation::Clock::now());
    generation.begin_prompt({prompt, {}, false, nullptr, {}}, stepper);
    generation.end_prompt(
        stepper.step(generation.sequence(), generation.policy(), generation.prompt_step()));
    std::atomic<bool> cancel{false};
    for (int i = 0; i < 60 && !cancel; ++i) {
      engine::StepCost usual;
      generation.decode(generation.write().token, stepper, {&usual, 0, 512}, &cancel);
      cancel = generation.sequence().size() - generation.confirmed_size() >= 2;
    }
    ahead += cancel ? 1 : 0;
    cancel = true;
    const int64_t before = generation.size();
    EXPECT_THROW(generation.decode(generation.write().token, stepper, {}, &cancel), Error);
    EXPECT_EQ(generation.size(), before);
    generation.drop_drafted();
    EXPECT_EQ(generation.confirmed_size(), generation.sequence().size());
  }
  EXPECT_GT(ahead, 2);
}

TEST(PromptLookupLaw, TheContextIsFilledAndNotMore) {
  const auto ask = [&](int64_t lookup) {
    SessionOptions settings;
    settings.context = 90;
    settings.pruning.policy = "dense";
    Session session(lookup_model(), settings);
    GenerationOptions options;
    options.sampling.temperature = 0.0f;
    options.prompt_lookup_num_tokens = lookup;
    return session.generate(repeating(9, 7, 3), options).tokens;
  };
  const auto without = ask(0);
  EXPECT_EQ(without.size(), 90u - 63u + 1u);
  EXPECT_EQ(ask(16), without);
}

std::vector<TokenId> propose_behind(engine::PromptLookup& lookup, std::vector<TokenId> text,
                                    int64_t room) {
  const TokenId last = text.back();
  text.pop_back();
  lookup.follow(text, last);
  const auto draft = lookup.propose(room, {}, 0);
  return {draft.begin(), draft.end()};
}

TEST(PromptLookup, ProposesWhatStoodBehindTheLongestMatch) {
  engine::PromptLookup lookup(4);
  const std::vector<TokenId> text = {1, 2, 3, 4, 5, 6, 9, 3, 4, 7, 8, 2, 3, 4};
  EXPECT_EQ(propose_behind(lookup, text, 9), (std::vector<TokenId>{5, 6, 9, 3}));
}

TEST(PromptLookup, TheLatestOfEqualMatchesCounts) {
  engine::PromptLookup lookup(2);
  EXPECT_EQ(propose_behind(lookup, {1, 2, 5, 5, 1, 2, 6, 6, 8, 1, 2}, 9),
            (std::vector<TokenId>{6, 6}));
}

TEST(PromptLookup, WhatRepeatsItselfGoesOn) {
  engine::PromptLookup lookup(6);
  EXPECT_EQ(propose_behind(lookup, {9, 1, 2, 1, 2}, 9), (std::vector<TokenId>{1, 2, 1, 2, 1, 2}));
}

TEST(PromptLookup, KeepsToTheRoomAndToWhatIsThere) {
  engine::PromptLookup lookup(6);
  EXPECT_EQ(propose_behind(lookup, {9, 1, 2, 1, 2}, 1).size(), 1u);
  EXPECT_TRUE(lookup.propose(0, {}, 0).empty());
  engine::PromptLookup none(6);
  EXPECT_TRUE(propose_behind(none, {1, 2, 3, 4, 5}, 9).empty());
  engine::PromptLookup one(6);
  EXPECT_TRUE(propose_behind(one, {1}, 9).empty());
}

TEST(PromptLookup, StopsWhereItIsWrongAndBeginsAgainWhereItIsRight) {
  // Behind "1 2" comes something else each time.
  engine::PromptLookup lookup(8);
  std::vector<TokenId> text = {1, 2};
  for (TokenId t = 10; t < 60; ++t) {
    lookup.follow(text, t);
    text.push_back(t);
    lookup.follow(text, 1);
    text.push_back(1);
    lookup.follow(text, 2);
    text.push_back(2);
  }
  EXPECT_TRUE(lookup.propose(8, {}, 0).empty());
  // A pair says little here, a long match a lot: seen before anything is proposed again.
  for (int times = 0; times < 4; ++times) {
    for (const TokenId t : {101, 102, 103, 104, 105, 106, 107, 108, 109, 110}) {
      lookup.follow(text, t);
      text.push_back(t);
    }
  }
  EXPECT_GE(lookup.propose(8, {}, 0).size(), 4u);
}

TEST(StepCost, FollowsWhatStepsTook) {
  engine::StepCost cost;
  EXPECT_LT(cost.of(1), cost.of(8));
  for (int i = 0; i < 50; ++i) {
    cost.note(1, 0.010);
    cost.note(5, 0.018);
  }
  EXPECT_NEAR(cost.of(1), 0.010, 0.001);
  EXPECT_NEAR(cost.of(9), 0.026, 0.002);
}

TEST(StepCost, RowsThatCostMuchAreNotDrafted) {
  engine::StepCost dear;
  for (int i = 0; i < 50; ++i) {
    dear.note(1, 0.010);
    dear.note(2, 0.020);
  }
  engine::PromptLookup lookup(8);
  const std::vector<TokenId> text = {9, 1, 2, 1};
  lookup.follow(text, 2);
  EXPECT_TRUE(lookup.propose(8, dear, 0).empty());
  EXPECT_FALSE(lookup.propose(8, {}, 0).empty());
}

}  // namespace
}  // namespace lazyllm
