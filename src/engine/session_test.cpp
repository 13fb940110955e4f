// SPDX-License-Identifier: Apache-2.0
// What a session promises: the same answer however the conversation came in, and a
// session that stays good after every error. On tiny random models without a tokenizer.
#include "lazyllm/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>

#include "engine/tiny_model_for_tests.h"
#include "lazyllm/error.h"
#include "lazyllm/policies.h"

namespace lazyllm {
namespace {

std::shared_ptr<const Model> tiny_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model();
  return model;
}

GenerationOptions greedy(int64_t max_tokens) {
  GenerationOptions options;
  options.sampling.temperature = 0.0f;
  options.max_tokens = max_tokens;
  return options;
}

SessionOptions with_policy(const std::string& policy, const std::string& prune = "") {
  SessionOptions options;
  options.pruning.policy = policy;
  options.pruning.prune = prune;
  options.pruning.min_prompt = 0;
  options.pruning.protect_first = 1;
  options.pruning.protect_last = 2;
  return options;
}

std::vector<TokenId> joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Session, ADenseTurnContinuedGivesWhatAFreshSessionGives) {
  const auto prompt = random_tokens(40), question = random_tokens(9, 2);
  Session session(tiny_model(), with_policy("dense"));
  const auto first = session.generate(prompt, greedy(7));
  const auto conversation = joined(joined(prompt, first.tokens), question);
  const auto second = session.generate(conversation, greedy(7));
  // All but the last generated token were computed, so they are not prompt again.
  EXPECT_EQ(session.statistics().prompt_tokens, 10);
  Session fresh(tiny_model(), with_policy("dense"));
  EXPECT_EQ(second.tokens, fresh.generate(conversation, greedy(7)).tokens);
}

TEST(Session, WhatDiffersIsForgotten) {
  const auto prompt = random_tokens(40);
  auto other = prompt;
  other[25] = (other[25] + 1) % 64;
  Session session(tiny_model(), with_policy("dense"));
  session.generate(prompt, greedy(4));
  const auto answer = session.generate(other, greedy(4)).tokens;
  EXPECT_EQ(session.statistics().prompt_tokens, 15);
  EXPECT_EQ(answer, Session(tiny_model(), with_policy("dense")).generate(other, greedy(4)).tokens);
}

TEST(Session, EveryPolicyHoldsATurnAfterTheFirst) {
  for (const PolicyInfo& policy : policies()) {
    const bool before_the_model = policy.name == "random" || policy.name == "compress";
    const std::string prune = policy.name == "dense" ? "" : before_the_model ? "0:0.5" : "2:0.5";
    const auto prompt = random_tokens(60), question = random_tokens(9, 2);
    const auto run = [&] {
      Session session(tiny_model(), with_policy(policy.name, prune));
      auto answer = session.generate(prompt, greedy(5)).tokens;
      const auto conversation = joined(joined(prompt, answer), question);
      const auto more = session.generate(conversation, greedy(5)).tokens;
      EXPECT_EQ(more.size(), 5u) << policy.name;
      EXPECT_EQ(session.size(), static_cast<int64_t>(conversation.size()) + 4) << policy.name;
      return joined(answer, more);
    };
    EXPECT_EQ(run(), run()) << policy.name;
  }
}

TEST(Session, AFullContextEndsTheAnswer) {
  SessionOptions options = with_policy("dense");
  options.context = 30;
  Session session(tiny_model(), options);
  const auto result = session.generate(random_tokens(25), greedy(-1));
  EXPECT_EQ(result.finish_reason, FinishReason::length);
  // The token chosen when the context is full is still shown, though nothing can follow it.
  EXPECT_EQ(result.tokens.size(), 6u);
  EXPECT_EQ(session.size(), 30);
}

TEST(Session, ErrorsLeaveItGood) {
  SessionOptions options = with_policy("lazy", "2:0.5");
  options.context = 50;
  const auto expected =
      Session(tiny_model(), options).generate(random_tokens(40), greedy(5)).tokens;
  Session session(tiny_model(), options);
  const auto fails_with = [&](const std::vector<TokenId>& tokens, ErrorCode code) {
    try {
      session.generate(tokens, greedy(5));
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
    }
  };
  fails_with({}, ErrorCode::invalid_input);
  fails_with({1, 2, 64}, ErrorCode::invalid_input);
  fails_with({1, -1}, ErrorCode::invalid_input);
  fails_with(random_tokens(51), ErrorCode::context_full);
  EXPECT_EQ(session.generate(random_tokens(40), greedy(5)).tokens, expected);
}

TEST(Session, CancelledInThePrefillItStartsAgain) {
  for (const char* policy : {"dense", "lazy", "gem", "compress"}) {
    const auto expected =
        Session(tiny_model(), with_policy(policy)).generate(random_tokens(50), greedy(5)).tokens;
    Session session(tiny_model(), with_policy(policy));
    GenerationCallbacks callbacks;
    callbacks.on_progress = [&](double, int layer, int) {
      if (layer == 2) session.cancel();
    };
    EXPECT_EQ(session.generate(random_tokens(50), greedy(5), callbacks).finish_reason,
              FinishReason::cancelled);
    EXPECT_EQ(session.size(), 0) << policy;
    EXPECT_EQ(session.generate(random_tokens(50), greedy(5)).tokens, expected) << policy;
  }
}

TEST(Session, TruncatedAndResetItForgets) {
  Session session(tiny_model(), with_policy("lazy", "2:0.25"));
  session.generate(random_tokens(50), greedy(3));
  session.truncate(20);
  EXPECT_EQ(session.size(), 20);
  session.reset();
  EXPECT_EQ(session.size(), 0);
  const auto expected = Session(tiny_model(), with_policy("lazy", "2:0.25"))
                            .generate(random_tokens(50), greedy(3))
                            .tokens;
  EXPECT_EQ(session.generate(random_tokens(50), greedy(3)).tokens, expected);
}

TEST(Session, LogitsComeInOrderAndBadPositionsAreRefused) {
  Session session(tiny_model(), with_policy("lazy"));
  const auto tokens = random_tokens(30);
  std::vector<int64_t> seen;
  session.logits(tokens, std::vector<int32_t>{0, 7, 29},
                 [&](int64_t position, std::span<const float> values) {
                   seen.push_back(position);
                   EXPECT_EQ(values.size(), 64u);
                 });
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 7, 29}));
  const auto ignore = [](int64_t, std::span<const float>) {};
  EXPECT_THROW(session.logits(tokens, std::vector<int32_t>{30}, ignore), Error);
  EXPECT_THROW(session.logits(tokens, std::vector<int32_t>{5, 5}, ignore), Error);
}

TEST(Session, LogLikelihoodIsWhatTheLogitsSay) {
  Session session(tiny_model(), with_policy("dense"));
  const auto prompt = random_tokens(30), continuation = random_tokens(4, 3);
  const auto all = joined(prompt, continuation);
  double expected = 0.0;
  session.logits(all, std::vector<int32_t>{29, 30, 31, 32},
                 [&](int64_t position, std::span<const float> values) {
                   double sum = 0.0;
                   for (const float value : values) sum += std::exp(static_cast<double>(value));
                   const TokenId next = all[static_cast<size_t>(position) + 1];
                   expected += values[static_cast<size_t>(next)] - std::log(sum);
                 });
  session.reset();
  EXPECT_NEAR(session.log_likelihood(prompt, continuation), expected / 4.0, 1e-5);
  EXPECT_THROW(session.log_likelihood(prompt, {}), Error);
  Session lazy(tiny_model(), with_policy("lazy", "2:1.0"));
  EXPECT_EQ(lazy.log_likelihood(prompt, continuation),
            session.log_likelihood(prompt, continuation));
}

TEST(Session, ReportsTheDepthsOfThePromptAndWhatTheAnswerRevived) {
  SessionOptions options = with_policy("lazy", "2:0.5");
  options.pruning.revive_budget = RevivalBudget{3};
  Session session(tiny_model(), options);
  const auto prompt = random_tokens(60);
  session.generate(prompt, greedy(6));
  const int layers = tiny_model()->info().layers;
  const TokenReport report = session.token_report();
  ASSERT_EQ(report.depths.size(), prompt.size());
  // After layer 2 half of the tokens stay; those carry on to the end.
  EXPECT_EQ(std::count(report.depths.begin(), report.depths.end(), 2), 30);
  EXPECT_EQ(std::count(report.depths.begin(), report.depths.end(), layers), 30);
  EXPECT_EQ(report.depths.front(), layers);  // protected
  EXPECT_EQ(report.depths.back(), layers);

  // The sum of the depths is what the statistics count, before and after the answer.
  const auto pairs = [&](const std::vector<int>& depths) {
    return std::accumulate(depths.begin(), depths.end(), 0.0) / (60.0 * layers);
  };
  EXPECT_DOUBLE_EQ(pairs(report.depths), session.statistics().computed_fraction);
  std::vector<int> depths = report.depths;
  ASSERT_FALSE(report.revivals.empty());
  std::vector<int> per_step(6, 0);
  for (const TokenReport::Revival& revival : report.revivals) {
    ASSERT_GE(revival.step, 1);
    ASSERT_LE(revival.step, 5);  // the sixth token is never carried through the model
    EXPECT_LE(++per_step[static_cast<size_t>(revival.step)], 3);
    EXPECT_GT(revival.depth, depths[static_cast<size_t>(revival.token)]);
    depths[static_cast<size_t>(revival.token)] = revival.depth;
  }
  EXPECT_DOUBLE_EQ(pairs(depths), session.statistics().computed_fraction_end);

  session.generate(random_tokens(10, 7), greedy(1));
  EXPECT_EQ(session.token_report().depths.size(), 10u);
  EXPECT_TRUE(session.token_report().revivals.empty());
}

TEST(Session, ATokenThatThePolicyLeftOutHasDepthZero) {
  Session session(tiny_model(), with_policy("random", "0:0.5"));
  session.generate(random_tokens(60), greedy(2));
  const std::vector<int>& depths = session.token_report().depths;
  const int layers = tiny_model()->info().layers;
  EXPECT_EQ(std::count(depths.begin(), depths.end(), 0), 30);
  EXPECT_EQ(std::count(depths.begin(), depths.end(), layers), 30);
}

TEST(Session, ForcedTokensGoTheWayOfGeneratedOnes) {
  const auto prompt = random_tokens(60, 5);
  for (const char* policy : {"dense", "lazy", "random"}) {
    Session session(tiny_model(),
                    with_policy(policy, policy == std::string("lazy") ? "2:0.4" : ""));
    const auto written = session.generate(prompt, greedy(8)).tokens;
    const Statistics generated = session.statistics();
    session.reset();
    std::vector<TokenId> chosen;
    session.forced_logits(prompt, written, [&](int64_t index, std::span<const float> logits) {
      EXPECT_EQ(index, static_cast<int64_t>(chosen.size()));
      const auto best = std::max_element(logits.begin(), logits.end());
      chosen.push_back(static_cast<TokenId>(best - logits.begin()));
    });
    EXPECT_EQ(chosen, written) << policy;
    const Statistics& forced = session.statistics();
    EXPECT_EQ(forced.policy, policy);
    EXPECT_EQ(forced.prompt_tokens, generated.prompt_tokens);
    EXPECT_EQ(forced.generated_tokens, generated.generated_tokens);
    EXPECT_EQ(forced.computed_fraction, generated.computed_fraction);
    EXPECT_EQ(forced.computed_fraction_end, generated.computed_fraction_end);
    EXPECT_EQ(forced.revived_tokens, generated.revived_tokens);
    EXPECT_GT(forced.tpot_ms, 0.0);
    EXPECT_GE(forced.total_ms, forced.ttft_ms);
    EXPECT_THROW(session.forced_logits(prompt, {}, {}), Error);
    EXPECT_THROW(session.forced_logits({}, written, {}), Error);
  }
}

TEST(Session, SessionsOfOneModelWorkSideBySide) {
  const auto prompt = random_tokens(200);
  const SessionOptions options = with_policy("lazy", "2:0.4");
  const auto expected = Session(tiny_model(), options).generate(prompt, greedy(20)).tokens;
  std::vector<std::thread> threads;
  std::vector<int> right(4, 0);
  for (size_t t = 0; t < right.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        Session session(tiny_model(), options);
        right[t] += session.generate(prompt, greedy(20)).tokens == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, std::vector<int>(4, 20));
}

TEST(Session, RefusesAContextTheModelCannotHave) {
  SessionOptions options;
  options.context = 1000;  // trained for 256
  EXPECT_THROW(Session(tiny_model(), options), Error);
}

}  // namespace
}  // namespace lazyllm
