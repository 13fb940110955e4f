// SPDX-License-Identifier: Apache-2.0
// What the scheduler does while nobody waits: snapshots grow to all layers; prompts read ahead.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "engine/answers_for_tests.h"

namespace lazyllm {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Model> tiny_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model({.context = 1024});
  return model;
}

const SchedulerOptions kIdle{.parallel = 2, .cache_bytes = 64 << 20, .deepen_when_idle = true};

bool wait_until(const std::function<bool()>& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

bool wait_for_deepened(const Scheduler& scheduler, uint64_t snapshots) {
  return wait_until([&] { return scheduler.metrics().deepened_snapshots >= snapshots; });
}

std::vector<TokenId> joined(std::vector<TokenId> document, const std::vector<TokenId>& question) {
  document.insert(document.end(), question.begin(), question.end());
  return document;
}

void expect_bits_of_dense(const Outcome& outcome, AnswerRequest request) {
  Scheduler plain(tiny_model(), {.parallel = 1});
  request.use_cache = false;
  request.pruning = PruningOptions();
  request.pruning.policy = "dense";
  const Outcome dense = read(*plain.submit(request));
  ASSERT_EQ(outcome.tokens, dense.tokens);
  for (size_t i = 0; i < dense.events.size(); ++i) {
    ASSERT_EQ(outcome.events[i].logprob, dense.events[i].logprob) << "token " << i;
  }
}

TEST(SchedulerIdle, ADeepenedSnapshotHasTheBitsOfADensePrefill) {
  Scheduler scheduler(tiny_model(), kIdle);
  const std::vector<TokenId> document = random_tokens(150);
  read(*scheduler.submit(request(joined(document, random_tokens(9, 1)), 4)));
  ASSERT_TRUE(wait_for_deepened(scheduler, 1));

  AnswerRequest second = request(joined(document, random_tokens(7, 2)), 6);
  second.top_logprobs = 5;
  second.prefill = Prefill::soonest;
  const Outcome outcome = read(*scheduler.submit(second));
  ASSERT_FALSE(outcome.end.error);
  EXPECT_TRUE(outcome.end.plan.dense_instead);
  EXPECT_EQ(outcome.end.statistics.policy, "dense");
  EXPECT_GE(outcome.end.cached_tokens, 150);
  EXPECT_LE(outcome.end.plan.dense_ms, *outcome.end.plan.pruned_ms);
  expect_bits_of_dense(outcome, second);
}

TEST(SchedulerIdle, WhoAsksForPruningGetsItWhateverTheCacheHolds) {
  Scheduler scheduler(tiny_model(), kIdle);
  const std::vector<TokenId> prompt = random_tokens(150);
  const AnswerRequest asked = request(prompt, 4);
  const Outcome first = read(*scheduler.submit(asked));
  ASSERT_TRUE(wait_for_deepened(scheduler, 1));
  const Outcome again = read(*scheduler.submit(asked));
  EXPECT_FALSE(again.end.plan.dense_instead);
  EXPECT_EQ(again.end.statistics.policy, "lazy");
  EXPECT_EQ(again.tokens, first.tokens);
}

TEST(SchedulerIdle, WithoutACacheThePrunedWayIsTaken) {
  Scheduler scheduler(tiny_model(), kIdle);
  AnswerRequest asked = request(random_tokens(150), 4);
  asked.prefill = Prefill::soonest;
  const Outcome first = read(*scheduler.submit(asked));
  EXPECT_FALSE(first.end.plan.dense_instead);
  EXPECT_EQ(first.end.statistics.policy, "lazy");
  EXPECT_GT(first.end.plan.dense_ms, *first.end.plan.pruned_ms);
}

TEST(SchedulerIdle, OffMeansOff) {
  SchedulerOptions options = kIdle;
  options.deepen_when_idle = false;
  Scheduler scheduler(tiny_model(), options);
  read(*scheduler.submit(request(random_tokens(100), 2)));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(scheduler.metrics().deepened_snapshots, 0u);
  EXPECT_EQ(scheduler.metrics().idle_seconds, 0.0);
}

TEST(SchedulerIdle, TheCacheNeverGrowsAboveItsLimit) {
  const std::vector<TokenId> prompt = random_tokens(150);
  uint64_t shallow = 0, both = 0;
  for (const bool deepens : {false, true}) {
    SchedulerOptions options = kIdle;
    options.deepen_when_idle = deepens;
    Scheduler scheduler(tiny_model(), options);
    read(*scheduler.submit(request(prompt, 2)));
    ASSERT_TRUE(wait_until([&] { return scheduler.metrics().snapshots == (deepens ? 2u : 1u); }));
    (deepens ? both : shallow) = scheduler.metrics().snapshot_bytes;
  }
  ASSERT_GT(shallow, 0u);
  // Room for the whole one or the shallow one: the whole one takes its place.
  SchedulerOptions tight = kIdle;
  tight.cache_bytes = both - 1;
  Scheduler scheduler(tiny_model(), tight);
  read(*scheduler.submit(request(prompt, 2)));
  ASSERT_TRUE(wait_for_deepened(scheduler, 1));
  ASSERT_TRUE(wait_until([&] { return scheduler.metrics().snapshots == 1; }));
  EXPECT_LE(scheduler.metrics().snapshot_bytes, tight.cache_bytes);
}

TEST(SchedulerIdle, ReadAheadComputesUpToTheFirstPruningOnly) {
  SchedulerOptions options = kIdle;
  options.deepen_when_idle = false;
  Scheduler scheduler(tiny_model(), options);
  const std::vector<TokenId> document = random_tokens(150);
  const Outcome ahead = read(*scheduler.submit(request(document, 0)));
  ASSERT_FALSE(ahead.end.error);
  EXPECT_TRUE(ahead.tokens.empty());
  const int layers = tiny_model()->info().layers;
  EXPECT_NEAR(ahead.end.statistics.computed_fraction, 2.0 / layers, 1e-9);  // pruned after layer 2

  const AnswerRequest question = request(joined(document, random_tokens(8, 3)), 5);
  const Outcome cached = read(*scheduler.submit(question));
  EXPECT_EQ(cached.end.cached_tokens, 150);
  AnswerRequest alone = question;
  alone.use_cache = false;
  EXPECT_EQ(cached.tokens, read(*scheduler.submit(alone)).tokens);
}

TEST(SchedulerIdle, WhatWasReadIsOnDiskBeforeTheEnd) {
  const auto folder = lazy::temporary_model_path().replace_extension(".idle");
  SchedulerOptions options = kIdle;
  options.cache_folder = folder;
  const std::vector<TokenId> prompt = random_tokens(150);
  const auto files = [&] { return std::distance(std::filesystem::directory_iterator(folder), {}); };
  Scheduler scheduler(tiny_model(), options);
  read(*scheduler.submit(request(prompt, 2)));
  ASSERT_TRUE(wait_until([&] { return files() == 2; }));  // as read, and whole

  // What a killed process would leave behind serves another one.
  const auto left = std::filesystem::path(folder).replace_extension(".left");
  std::filesystem::copy(folder, left);
  SchedulerOptions after = options;
  after.cache_folder = left;
  Scheduler next(tiny_model(), after);
  AnswerRequest again = request(prompt, 3);
  again.top_logprobs = 0;
  again.prefill = Prefill::soonest;
  const Outcome outcome = read(*next.submit(again));
  EXPECT_TRUE(outcome.end.plan.dense_instead);
  expect_bits_of_dense(outcome, again);
  std::filesystem::remove_all(folder);
  std::filesystem::remove_all(left);
}

TEST(SchedulerIdle, ARequestGetsTheMemoryThatIdleWorkHolds) {
  SchedulerOptions options = kIdle;
  options.parallel = 1;
  options.context = 512;
  Scheduler scheduler(tiny_model(), options);  // memory for one answer of 512 tokens
  for (int round = 0; round < 4; ++round) {
    read(*scheduler.submit(request(random_tokens(300, round), 2)));
    std::this_thread::sleep_for(2ms);  // somewhere in the middle of it
    const Outcome longest = read(*scheduler.submit(request(random_tokens(480, 50 + round), 32)));
    ASSERT_FALSE(longest.end.error);
    EXPECT_EQ(longest.tokens.size(), 32u);
  }
}

TEST(SchedulerReading, QuestionsThatComeTogetherReadTheirDocumentOnce) {
  SchedulerOptions options = kIdle;
  options.parallel = 4;
  options.deepen_when_idle = false;
  Scheduler scheduler(tiny_model(), options), plain(tiny_model(), {.parallel = 1});
  const std::vector<TokenId> document = random_tokens(600);
  std::vector<AnswerRequest> asked;
  std::vector<std::unique_ptr<Answer>> answers;
  for (unsigned i = 0; i < 4; ++i) {
    asked.push_back(request(joined(document, random_tokens(9, 70 + i)), 5));
    asked.back().top_logprobs = 5;
    if (i == 3) asked.back().pruning = pruning("dense", "");
    answers.push_back(scheduler.submit(asked.back()));
  }
  for (unsigned i = 0; i < 4; ++i) {
    const Outcome outcome = read(*answers[i]);
    EXPECT_EQ(outcome.end.cached_tokens >= 590, i > 0) << i;
    asked[i].use_cache = false;
    const Outcome alone = read(*plain.submit(asked[i]));
    ASSERT_EQ(outcome.tokens, alone.tokens) << i;
    for (size_t k = 0; k < alone.events.size(); ++k) {
      ASSERT_EQ(outcome.events[k].logprob, alone.events[k].logprob) << i << ", token " << k;
    }
  }
}

}  // namespace
}  // namespace lazyllm
