// SPDX-License-Identifier: Apache-2.0
// Documents in free order: whatever was read before, in which order, cancelled or not, beside what:
// the answer is the one that the request gets alone; in the stored order it is the ordinary one.
#include "engine/free_order.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "engine/answers_for_tests.h"
#include "lazyllm/library.h"

namespace lazyllm {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Model> order_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model({.layers = 6, .context = 1024});
  return model;
}

constexpr int kHead = 20;

std::vector<TokenId> document(int number) {
  return random_tokens(90 + 17 * number, 100 + static_cast<unsigned>(number));
}

/// Head, these documents with two tokens between them, and a question.
AnswerRequest in_order(const std::vector<int>& documents, bool free, unsigned question = 7) {
  AnswerRequest r = request(random_tokens(kHead, 99), 6, "lazy", "3:0.5");
  for (const int number : documents) {
    const std::vector<TokenId> text = document(number);
    const int64_t begin = std::ssize(r.prompt);
    r.prompt.insert(r.prompt.end(), text.begin(), text.end());
    if (free) r.free_documents.push_back({begin, std::ssize(r.prompt)});
    r.prompt.insert(r.prompt.end(), {1, 2});
  }
  const std::vector<TokenId> asked = random_tokens(15, question);
  r.prompt.insert(r.prompt.end(), asked.begin(), asked.end());
  r.top_logprobs = 64;
  return r;
}

void expect_same(const Outcome& a, const Outcome& b) {
  ASSERT_FALSE(a.end.error) << a.end.error->what();
  ASSERT_EQ(a.tokens, b.tokens);
  for (size_t i = 0; i < a.events.size(); ++i) {
    for (size_t k = 0; k < a.events[i].top.size(); ++k) {
      ASSERT_EQ(a.events[i].top[k].logprob, b.events[i].top[k].logprob) << "token " << i;
    }
  }
}

SchedulerOptions with_cache() {
  return {.parallel = 3, .cache_bytes = 64 << 20};
}

Outcome alone(const AnswerRequest& request) {
  Scheduler scheduler(order_model(), with_cache());
  return read(*scheduler.submit(request));
}

TEST(FreeOrder, LayOutMovesAllButTheFirstAndWhatIsComputedInPlace) {
  const AnswerRequest r = in_order({0, 1, 2}, true);
  const auto documents = engine::documents_alone(r.prompt, r.free_documents);
  ASSERT_EQ(documents.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(documents[i].head, kHead);
    EXPECT_EQ(std::ssize(documents[i].tokens), kHead + std::ssize(document(static_cast<int>(i))));
  }
  const auto layout = engine::lay_out(documents, std::ssize(r.prompt), 16, 1);
  EXPECT_EQ(layout.prefix, r.free_documents[0].end);
  ASSERT_EQ(layout.moved.size(), 2u);
  EXPECT_EQ(layout.moved[0].place, r.free_documents[1].begin + 16);
  EXPECT_EQ(layout.moved[0].from.begin, kHead + 16);
  EXPECT_EQ(layout.moved[1].from.end, std::ssize(documents[2].tokens));
  EXPECT_EQ(layout.end, r.free_documents[2].end);
  // The last tokens make the score, whatever they belong to.
  const int64_t scoring = std::ssize(r.prompt) - r.free_documents[2].end + 10;
  EXPECT_EQ(engine::lay_out(documents, std::ssize(r.prompt), 16, scoring).end,
            r.free_documents[2].end - 10);
  // One that stands behind the head is where it was read.
  EXPECT_TRUE(engine::documents_alone(r.prompt, std::span(r.free_documents).first(1)).empty());
}

TEST(FreeOrder, TheStoredOrderIsTheOrdinaryAnswer) {
  Scheduler scheduler(order_model(), with_cache());
  const Outcome ordinary = read(*scheduler.submit(in_order({0, 1, 2}, false, 3)));
  const Outcome wanted = alone(in_order({0, 1, 2}, false));
  const Outcome stored = read(*scheduler.submit(in_order({0, 1, 2}, true)));
  expect_same(stored, wanted);
  ASSERT_TRUE(stored.end.documents);
  EXPECT_TRUE(stored.end.documents->stored_order);
  EXPECT_EQ(stored.end.documents->moved, 0);
  EXPECT_FALSE(ordinary.end.documents);
}

TEST(FreeOrder, ANewOrderTakesDocumentsFromWhereTheyWereRead) {
  Scheduler scheduler(order_model(), with_cache());
  const Outcome first = read(*scheduler.submit(in_order({0, 1, 2}, true)));
  ASSERT_TRUE(first.end.documents);
  EXPECT_EQ(first.end.documents->read_now, 3);
  EXPECT_GT(first.end.statistics.computed_fraction, 0.5);
  const Outcome second = read(*scheduler.submit(in_order({2, 0, 1}, true)));
  EXPECT_EQ(second.end.documents->documents, 3);
  EXPECT_EQ(second.end.documents->read_now, 0);
  EXPECT_EQ(second.end.documents->moved, 2);
  EXPECT_EQ(second.end.documents->recomputed_tokens, 32);
  EXPECT_EQ(second.end.documents->moved_tokens, 90 + 107 - 32);
  EXPECT_LT(second.end.statistics.computed_fraction, 0.5);
  // It is no mere approximation of nothing: another order, other logits than the dense ones.
  const Outcome ordinary = alone(in_order({2, 0, 1}, false));
  EXPECT_NE(second.events[0].top[0].logprob, ordinary.events[0].top[0].logprob);
  // What it computed is no beginning of ordinary prompts.
  expect_same(read(*scheduler.submit(in_order({2, 0, 1}, false))), ordinary);
}

TEST(FreeOrder, ComputedInPlaceAltogetherItIsTheOrdinaryAnswer) {
  AnswerRequest r = in_order({1, 0, 2}, true);
  r.recomputed_tokens = 1000;
  expect_same(alone(r), alone(in_order({1, 0, 2}, false)));
}

TEST(FreeOrder, EveryAnswerIsTheOneOfTheRequestAlone) {
  std::mt19937 random(5);
  const auto number = [&](unsigned below) { return static_cast<int>(random() % below); };
  int moved = 0;
  for (int seed = 0; seed < 3; ++seed) {
    const auto folder = lazy::temporary_model_path().replace_extension(".order");
    SchedulerOptions options = with_cache();
    options.cache_bytes = static_cast<uint64_t>(1 + seed % 3) << 20;  // some are pushed out
    options.deepen_when_idle = seed % 2 == 0;
    for (int life = 0; life < 2; ++life) {
      if (seed % 3 != 0) {
        options.library = std::make_shared<Library>(LibraryOptions{folder, 16 << 20});
      }
      Scheduler scheduler(order_model(), options);
      for (int round = 0; round < 5; ++round) {
        std::vector<AnswerRequest> wanted;
        std::vector<std::unique_ptr<Answer>> answers;
        for (int i = 1 + number(4); i > 0; --i) {
          std::vector<int> order = {0, 1, 2, 3};
          std::shuffle(order.begin(), order.end(), random);
          order.resize(static_cast<size_t>(1 + number(4)));
          wanted.push_back(in_order(order, number(4) != 0, static_cast<unsigned>(number(3))));
          AnswerRequest& r = wanted.back();
          if (number(3) == 0) r.pruning = pruning("dense", "");
          if (number(3) == 0) r.prefill = Prefill::soonest;
          if (number(4) == 0) r.recomputed_tokens = number(40);
          if (number(6) == 0) wanted.push_back(wanted.back());
        }
        for (const AnswerRequest& r : wanted) answers.push_back(scheduler.submit(r));
        for (size_t i = 0; i < answers.size(); ++i) {
          if (number(5) == 0) {
            if (number(2) == 0) answers[i]->wait(1ms);
            answers[i].reset();
            continue;
          }
          const Outcome outcome = read(*answers[i]);
          AnswerRequest again = wanted[i];
          again.prefill = Prefill::as_asked;
          if (outcome.end.plan.dense_instead) again.pruning = pruning("dense", "");
          if (!outcome.end.plan.free_order) again.free_documents.clear();
          SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
          expect_same(outcome, alone(again));
          if (testing::Test::HasFatalFailure()) return;
          moved += outcome.end.plan.free_order ? 1 : 0;
        }
      }
    }
    std::filesystem::remove_all(folder);
  }
  EXPECT_GT(moved, 12);
}

TEST(FreeOrder, WhatWouldBeIgnoredIsRefused) {
  Scheduler scheduler(order_model(), with_cache());
  const auto refused = [&](const std::function<void(AnswerRequest&)>& change) {
    AnswerRequest r = in_order({0, 1}, true);
    change(r);
    EXPECT_THROW(scheduler.submit(r), Error);
  };
  refused([](AnswerRequest& r) { r.pruning = pruning("random", "0:0.5"); });
  refused([](AnswerRequest& r) { r.pruning = pruning("gem", "2:0.5"); });
  refused([](AnswerRequest& r) { r.use_cache = false; });
  refused([](AnswerRequest& r) { r.prompt_logprobs = 0; });
  refused([](AnswerRequest& r) { r.recomputed_tokens = -1; });
  refused([](AnswerRequest& r) { r.free_documents[1].begin = r.free_documents[0].end - 1; });
  refused([](AnswerRequest& r) { r.free_documents[1].end = std::ssize(r.prompt) + 1; });
}

}  // namespace
}  // namespace lazyllm
