// SPDX-License-Identifier: Apache-2.0
#include "engine/prefill_choice.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/model_implementation.h"
#include "engine/profiles.h"
#include "engine/tiny_model_for_tests.h"
#include "lazy/step.h"

namespace lazyllm::engine {
namespace {

std::shared_ptr<const Model> tiny_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model({.layers = 6, .context = 1024});
  return model;
}

lazy::PruningPlan plan(const std::string& prune, const std::string& policy = "lazy") {
  PruningOptions options;
  options.policy = policy;
  options.prune = prune;
  options.min_prompt = 0;
  return make_plan(options, *tiny_model());
}

/// A snapshot of the first `count` tokens, as a dense run up to `depth` leaves it.
std::unique_ptr<lazy::Snapshot> snapshot_of(std::span<const TokenId> tokens, int depth) {
  const model::Transformer& transformer = tiny_model()->implementation().require_transformer();
  auto snapshot = std::make_unique<lazy::Snapshot>(transformer, depth);
  lazy::Sequence sequence(transformer, {});
  lazy::Stepper stepper(transformer);
  const auto dense = lazy::make_dense_policy();
  lazy::StepRequest request;
  request.new_tokens = tokens;
  if (depth < transformer.hyperparameters().layers) request.stop_depth = depth;
  stepper.step(sequence, *dense, request);
  snapshot->record(sequence);
  snapshot->take(std::move(sequence));
  return snapshot;
}

TEST(PrefillCost, WhatASnapshotHoldsCostsNothing) {
  const std::vector<int64_t> all(6, 500);
  const auto cost = [&](CachedPrefix cached) {
    return prefill_operations(*tiny_model(), all, cached);
  };
  const PrefillOperations whole = cost({}), half = cost({500, 3}), most = cost({490, 6});
  EXPECT_LT(half.linear, 0.6 * whole.linear);
  EXPECT_LT(most.linear, 0.1 * whole.linear);
  EXPECT_LT(most.attention, 0.1 * whole.attention);
  EXPECT_GT(most.attention, 0.0);
}

TEST(PrefillCost, ASetShrinksAsThePolicySays) {
  const auto policy = lazy::create_policy(plan("2:0.5,4:0.1"));
  EXPECT_EQ(expected_set_sizes(*policy, 100, 0, 6), (std::vector<int64_t>{100, 100, 50, 50, 5, 5}));
  EXPECT_EQ(expected_set_sizes(*policy, 100, 20, 6),
            (std::vector<int64_t>{100, 100, 50, 50, 20, 20}));
  EXPECT_EQ(exact_depth(*policy, 6), 2);
  EXPECT_EQ(exact_depth(*lazy::make_dense_policy(), 6), 6);
}

TEST(PrefillRates, FewRowsSayNothing) {
  PrefillRates rates;
  rates.note({1e6, 1e6}, 3, 1e9, 1e9);
  EXPECT_FALSE(rates.measured());
  rates.note({1e6, 1e6}, 100, 2.0, 4.0);
  EXPECT_TRUE(rates.measured());
  EXPECT_NEAR(rates.milliseconds({3e6, 1e6}), 10.0, 1e-9);
}

TEST(PrefillChoice, WithAnEmptyCachePruningIsSooner) {
  const std::vector<TokenId> prompt = random_tokens(300);
  const SnapshotCache cache(64 << 20);
  const auto pruned = plan("2:0.3");
  const PrefillPlan choice = choose_prefill(
      {*tiny_model(), pruned, prompt, 0, true, Prefill::soonest}, cache, PrefillRates());
  EXPECT_FALSE(choice.dense_instead);
  EXPECT_LT(*choice.pruned_ms, choice.dense_ms);
}

TEST(PrefillChoice, AWholeSnapshotMakesDenseSooner) {
  const std::vector<TokenId> prompt = random_tokens(300);
  SnapshotCache cache(64 << 20);
  cache.store(snapshot_of(std::span(prompt).first(290), 2));
  cache.store(snapshot_of(std::span(prompt).first(280), 6));
  const auto pruned = plan("2:0.3"), tsp = plan("2:0.3", "tsp"), random = plan("0:0.5", "random");
  const auto choose = [&](const lazy::PruningPlan& plan, Prefill wanted, bool use_cache = true) {
    return choose_prefill({*tiny_model(), plan, prompt, 0, use_cache, wanted}, cache,
                          PrefillRates());
  };
  const PrefillPlan choice = choose(pruned, Prefill::soonest);
  EXPECT_TRUE(choice.dense_instead);
  EXPECT_EQ(choice.dense_cached_tokens, 280);
  EXPECT_EQ(choice.dense_cached_depth, 6);
  EXPECT_FALSE(choose(pruned, Prefill::as_asked).dense_instead);
  EXPECT_FALSE(choose(pruned, Prefill::soonest, /*use_cache=*/false).dense_instead);
  EXPECT_FALSE(choose(tsp, Prefill::soonest).dense_instead) << "a method under study runs as asked";
  EXPECT_FALSE(choose(random, Prefill::soonest).dense_instead);
  EXPECT_FALSE(choose(random, Prefill::soonest).pruned_ms) << "not known before it has looked";
}

// Whatever lies in the cache: what is chosen is never predicted to be later than dense.
TEST(PrefillChoice, NeverPredictedLaterThanDense) {
  std::mt19937_64 draw(5);
  const auto number = [&](size_t below) { return static_cast<size_t>(draw() % below); };
  const char* const schedules[] = {"1:0.9", "2:0.3", "4:0.5", "5:1.0", "3:0.5,4:0.5"};
  int dense = 0;
  for (int round = 0; round < 30; ++round) {
    const std::vector<TokenId> prompt =
        random_tokens(100 + static_cast<int>(number(200)), static_cast<unsigned>(round));
    SnapshotCache cache(16 << 20);
    for (size_t i = number(4); i > 0; --i) {
      cache.store(snapshot_of(std::span(prompt).first(1 + number(prompt.size() - 1)),
                              1 + static_cast<int>(number(6))));
    }
    PrefillRates rates;
    if (number(2) == 0) rates.note({1e6, 1e6}, 100, 1.0 + static_cast<double>(number(9)), 3.0);
    const auto pruned = plan(schedules[number(std::size(schedules))]);
    const PrefillPlan choice =
        choose_prefill({*tiny_model(), pruned, prompt, 10, true, Prefill::soonest}, cache, rates);
    EXPECT_LE(choice.dense_instead ? choice.dense_ms : *choice.pruned_ms, choice.dense_ms);
    EXPECT_LE(choice.dense_cached_tokens, std::ssize(prompt) - 1);
    dense += choice.dense_instead ? 1 : 0;
  }
  EXPECT_GT(dense, 1);
  EXPECT_LT(dense, 29);
}

}  // namespace
}  // namespace lazyllm::engine
