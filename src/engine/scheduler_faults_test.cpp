// SPDX-License-Identifier: Apache-2.0
// What goes wrong in one answer ends that answer with an error; the others go on bit for bit, and
// the scheduler lives.
#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <stdexcept>

#include "engine/answers_for_tests.h"

namespace lazyllm {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::shared_ptr<const Model> sound_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model({.layers = 5, .context = 1024});
  return model;
}

/// Token 2 only.
class OnlyTwo : public TokenConstraint {
 public:
  void restrict(std::span<float> logits) override {
    for (size_t i = 0; i < logits.size(); ++i) {
      if (i != 2) logits[i] = kNever;
    }
  }
  void accept(TokenId) override {}
};

enum class Place { prepare, restrict, accept };

/// Breaks down at its n-th token.
class Breaking : public TokenConstraint {
 public:
  Breaking(int tokens, Place place) : left_(tokens), place_(place) {}
  void prepare() override { maybe_break(Place::prepare); }
  void restrict(std::span<float>) override { maybe_break(Place::restrict); }
  void accept(TokenId) override { maybe_break(Place::accept); }

 private:
  void maybe_break(Place here) {
    if (here == place_ && left_-- == 0) throw std::runtime_error("the constraint broke down");
  }

  int left_;
  Place place_;
};

/// Every second token is possible; what is possible is known when `gate` opens.
class Slow : public TokenConstraint {
 public:
  explicit Slow(std::shared_future<void> gate) : gate_(std::move(gate)) {}
  void prepare() override { gate_.wait(); }
  void restrict(std::span<float> logits) override {
    for (size_t i = 0; i < logits.size(); i += 2) logits[i] = kNever;
  }
  void accept(TokenId) override {}

 private:
  std::shared_future<void> gate_;
};

AnswerRequest good_request(int number) {
  AnswerRequest r = request(random_tokens(50 + 60 * number, static_cast<unsigned>(number)), 30);
  r.top_logprobs = 64;
  return r;
}

/// Three good answers beside whatever `trouble` makes, against themselves alone.
void expect_good_ones_unharmed(Scheduler& scheduler, const std::vector<AnswerRequest>& trouble,
                               ErrorCode expected) {
  std::vector<std::unique_ptr<Answer>> good, bad;
  for (int i = 0; i < 3; ++i) good.push_back(scheduler.submit(good_request(i)));
  for (const AnswerRequest& r : trouble) bad.push_back(scheduler.submit(r));
  for (auto& answer : bad) {
    const Outcome outcome = read(*answer);
    ASSERT_TRUE(outcome.end.error);
    EXPECT_EQ(outcome.end.error->code(), expected) << outcome.end.error->what();
  }
  Scheduler alone(sound_model(), {.parallel = 1});
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = read(*good[static_cast<size_t>(i)]);
    const Outcome reference = read(*alone.submit(good_request(i)));
    ASSERT_FALSE(outcome.end.error);
    ASSERT_EQ(outcome.tokens, reference.tokens);
    for (size_t t = 0; t < reference.events.size(); ++t) {
      ASSERT_EQ(outcome.events[t].logprob, reference.events[t].logprob);
    }
  }
  EXPECT_EQ(read(*scheduler.submit(good_request(0))).tokens.size(), 30u);  // and the next one
}

TEST(SchedulerFaults, AConstraintThatLeavesNoTokenEndsItsAnswer) {
  Scheduler scheduler(sound_model(), {.parallel = 6, .cache_bytes = 1 << 20});
  AnswerRequest impossible = request(random_tokens(40, 8), 10);
  impossible.constraint = std::make_shared<OnlyTwo>();
  impossible.generation.sampling.logit_bias = {{2, kNever}};
  AnswerRequest drawn = impossible;
  drawn.constraint = std::make_shared<OnlyTwo>();
  drawn.generation.sampling.temperature = 1.0f;
  expect_good_ones_unharmed(scheduler, {impossible, drawn}, ErrorCode::invalid_input);
}

TEST(SchedulerFaults, AConstraintThatThrowsEndsItsAnswer) {
  Scheduler scheduler(sound_model(), {.parallel = 6});
  std::vector<AnswerRequest> trouble;
  for (const int tokens : {0, 1, 5}) {
    for (const Place place : {Place::prepare, Place::restrict, Place::accept}) {
      trouble.push_back(request(random_tokens(70, 9), 10));
      trouble.back().constraint = std::make_shared<Breaking>(tokens, place);
    }
  }
  expect_good_ones_unharmed(scheduler, trouble, ErrorCode::internal);
}

TEST(SchedulerFaults, AConstraintThatTakesLongKeepsNobodyElseWaiting) {
  Scheduler scheduler(sound_model(), {.parallel = 3});
  std::promise<void> gate;
  AnswerRequest constrained = request(random_tokens(80, 4), 12);
  constrained.constraint = std::make_shared<Slow>(gate.get_future().share());
  AnswerRequest cancelled = constrained;
  auto slow = scheduler.submit(constrained), given_up = scheduler.submit(cancelled);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read(*scheduler.submit(good_request(i))).tokens.size(), 30u);
  }
  given_up->cancel();
  EXPECT_EQ(read(*given_up).end.reason, FinishReason::cancelled);
  gate.set_value();
  const Outcome outcome = read(*slow);

  std::promise<void> open;
  open.set_value();
  constrained.constraint = std::make_shared<Slow>(open.get_future().share());
  Scheduler alone(sound_model(), {.parallel = 1});
  EXPECT_EQ(outcome.tokens, read(*alone.submit(constrained)).tokens);
  EXPECT_EQ(outcome.tokens.size(), 12u);
}

TEST(SchedulerFaults, ADamagedModelEndsAnswersNotTheScheduler) {
  Scheduler scheduler(load_tiny_model({.layers = 3, .damaged_norm = true}), {.parallel = 2});
  for (int i = 0; i < 3; ++i) {
    const Outcome outcome = read(*scheduler.submit(request(random_tokens(20), 5)));
    ASSERT_TRUE(outcome.end.error);
    EXPECT_NE(std::string(outcome.end.error->what()).find("damaged"), std::string::npos);
  }
}

TEST(SchedulerFaults, ADamagedEmbeddingEndsWhoeverReadsIt) {
  const auto model = load_tiny_model({.layers = 3, .context = 512, .damaged_token = 7});
  Scheduler scheduler(model, {.parallel = 4}), alone(model, {.parallel = 1});
  const auto ask = [](int64_t count, TokenId forbidden) {
    AnswerRequest r = request(random_tokens(60), count);
    for (TokenId& token : r.prompt) token = token == 7 ? 8 : token;
    r.generation.sampling.temperature = 0.0f;
    r.generation.sampling.logit_bias = {{forbidden, kNever}};
    return r;
  };
  AnswerRequest writes_it = ask(9, 8);
  writes_it.generation.sampling.logit_bias = {{7, 1000.0f}};  // then it has to be read
  AnswerRequest reads_it = ask(9, 8);
  reads_it.prompt[30] = 7;
  auto good = scheduler.submit(ask(40, 7));
  auto bad = scheduler.submit(writes_it), worse = scheduler.submit(reads_it);
  EXPECT_TRUE(read(*bad).end.error);
  EXPECT_TRUE(read(*worse).end.error);
  EXPECT_EQ(read(*good).tokens, read(*alone.submit(ask(40, 7))).tokens);
}

TEST(SchedulerFaults, DrainCutsAPolicyThatEditsAPrompt) {
  const auto model = load_tiny_model({.layers = 6, .hidden = 256, .context = 8192});
  Scheduler scheduler(model, {.parallel = 2});
  auto slow = scheduler.submit(request(random_tokens(8000), 5, "compress", "0:0.5"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  scheduler.drain(std::chrono::milliseconds(1));
  // The whole prompt takes seconds; what is left of it when the limit is over is cut.
  const Outcome outcome = read(*slow);
  EXPECT_EQ(outcome.end.reason, FinishReason::cancelled);
  EXPECT_TRUE(outcome.tokens.empty());
}

}  // namespace
}  // namespace lazyllm
