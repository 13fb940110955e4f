// SPDX-License-Identifier: Apache-2.0
// Sequences that share steps, or steps that wait for each other, give the bits they give alone.
#include <gtest/gtest.h>

#include <optional>

#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"

namespace lazyllm::lazy {
namespace {

/// One sequence with its policy and what came of it.
struct Player {
  Player(const model::Transformer& transformer, std::unique_ptr<Policy> its_policy, uint64_t seed)
      : policy(std::move(its_policy)),
        sequence(transformer, {}),
        part(transformer),
        generator(seed) {}

  void begin(StepKind kind, int64_t count) {
    tokens.clear();
    for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(generator() % 64));
    StepRequest request;
    request.new_tokens = tokens;
    request.kind = kind;
    request.revive_budget.tokens = 2;
    request.protected_ranges = ranges;
    request.logits = [this](int64_t, std::span<const float> values) {
      logits.emplace_back(values.begin(), values.end());
    };
    part.begin(sequence, *policy, request);
  }

  static constexpr TokenRange ranges[] = {{3, 5}, {20, 21}};
  std::unique_ptr<Policy> policy;
  Sequence sequence;
  StepPart part;
  StepRun run;
  std::mt19937_64 generator;
  std::vector<int32_t> tokens;
  std::vector<std::vector<float>> logits;
};

std::vector<std::unique_ptr<Player>> players(const TinyModel& model) {
  std::vector<std::unique_ptr<Player>> all;
  const auto add = [&](std::unique_ptr<Policy> policy) {
    all.push_back(std::make_unique<Player>(model.transformer(), std::move(policy), all.size() + 1));
  };
  add(make_dense_policy());
  add(make_lazy_policy({{1, 0.5}, {3, 0.4}}, {}));
  add(make_lazy_policy({{2, 0.3}}, {.window = 4, .pool = 3}));
  add(make_lazy_policy(
      {{2, 0.5}, {3, 0.5}},
      {.window = 4, .pool = 9, .form = &find_score_form(ScoreText("peak")), .layers = 3}));
  add(make_tsp_policy({2, 0.5}, {}));
  add(make_static_policy({3, 0.3}, {}));
  return all;
}

int64_t prompt_length(size_t player) {
  return 30 + 25 * static_cast<int64_t>(player);
}

constexpr int kFurther = 12;

std::vector<std::vector<std::vector<float>>> alone(const TinyModel& model) {
  std::vector<std::vector<std::vector<float>>> outcomes;
  Stepper stepper(model.transformer());
  const auto all = players(model);
  for (size_t p = 0; p < all.size(); ++p) {
    for (int i = 0; i <= kFurther; ++i) {
      all[p]->begin(i == 0 ? StepKind::prompt : StepKind::decode, i == 0 ? prompt_length(p) : 1);
      StepPart* const parts[] = {&all[p]->part};
      stepper.begin(all[p]->run, parts);
      while (stepper.advance(all[p]->run)) {
      }
    }
    outcomes.push_back(all[p]->logits);
  }
  return outcomes;
}

void expect_bits_of_steps_alone(const TinyShape& shape) {
  const TinyModel model(shape, 2);
  const auto expected = alone(model);
  Stepper stepper(model.transformer());
  const auto all = players(model);
  StepRun run;
  for (int i = 0; i <= kFurther; ++i) {
    std::vector<StepPart*> parts;
    for (size_t p = 0; p < all.size(); ++p) {
      all[p]->begin(i == 0 ? StepKind::prompt : StepKind::decode, i == 0 ? prompt_length(p) : 1);
      parts.push_back(&all[p]->part);
    }
    stepper.begin(run, parts);
    run.limit_tile(i == 0 ? 37 : StepRun::kNoLimit);  // tiles that end in the middle of a sequence
    while (stepper.advance(run)) {
    }
  }
  for (size_t p = 0; p < all.size(); ++p) EXPECT_EQ(all[p]->logits, expected[p]) << "player " << p;
}

TEST(StepBatch, SharedStepsGiveTheBitsOfStepsAlone) {
  expect_bits_of_steps_alone({.layers = 5, .seed = 11});
}

TEST(StepBatch, ExpertsShareATileAndChangeNoBit) {
  expect_bits_of_steps_alone({.layers = 5, .experts = 4, .seed = 11});
}

TEST(StepBatch, ConvolutionsShareATileAndChangeNoBit) {
  expect_bits_of_steps_alone({.layers = 7, .convolutions = {3, 4, 6}, .seed = 11});
}

TEST(StepBatch, LayersThatReadKeysOfOthersShareATileAndChangeNoBit) {
  expect_bits_of_steps_alone({.layers = 5, .seed = 11, .shared_kv_layers = 4});
}

TEST(StepBatch, StepsMayWaitForEachOther) {
  const TinyModel model({.layers = 5, .seed = 11}, 2);
  const auto expected = alone(model);
  Stepper stepper(model.transformer());
  const auto all = players(model);
  std::mt19937_64 order(5);
  std::vector<int> steps_begun(all.size(), 0);
  std::vector<bool> under_way(all.size(), false);
  size_t finished = 0;
  while (finished < all.size()) {
    const size_t p = order() % all.size();
    if (steps_begun[p] > kFurther && !under_way[p]) continue;
    Player& player = *all[p];
    if (!under_way[p]) {
      const bool prompt = steps_begun[p]++ == 0;
      player.begin(prompt ? StepKind::prompt : StepKind::decode, prompt ? prompt_length(p) : 1);
      StepPart* const parts[] = {&player.part};
      stepper.begin(player.run, parts);
      under_way[p] = true;
    }
    player.run.limit_tile(order() % 2 == 0 ? StepRun::kNoLimit : 16);
    under_way[p] = stepper.advance(player.run);
    if (!under_way[p] && steps_begun[p] > kFurther) ++finished;
  }
  for (size_t p = 0; p < all.size(); ++p) EXPECT_EQ(all[p]->logits, expected[p]) << "player " << p;
}

/// Prunes like another and breaks down when it has scored so often.
class BreakingPolicy : public Policy {
 public:
  explicit BreakingPolicy(int scores) : left_(scores) {}
  std::string_view name() const override { return "breaking"; }
  std::optional<double> keep_after(int layer, StepKind) const override {
    return layer == 2 ? std::optional(0.5) : std::nullopt;
  }
  void combine(int, std::span<const int32_t>, std::span<float>) override {
    if (left_-- == 0) throw std::runtime_error("broken");
  }

 private:
  int left_;
};

TEST(StepBatch, WhatFailsInOnePartChangesNoBitOfTheOthers) {
  const TinyModel model({.layers = 5, .seed = 11}, 2);
  const auto expected = alone(model);
  for (const int scores : {0, 1, 5}) {
    Stepper stepper(model.transformer());
    const auto all = players(model);
    Player broken(model.transformer(), std::make_unique<BreakingPolicy>(scores), 99);
    StepRun run;
    for (int i = 0; i <= kFurther; ++i) {
      std::vector<StepPart*> parts;
      for (size_t p = 0; p < all.size(); ++p) {
        all[p]->begin(i == 0 ? StepKind::prompt : StepKind::decode, i == 0 ? prompt_length(p) : 1);
        parts.push_back(&all[p]->part);
      }
      if (!broken.part.failed()) {
        broken.begin(i == 0 ? StepKind::prompt : StepKind::decode, i == 0 ? 70 : 1);
        parts.insert(parts.begin() + 2, &broken.part);  // its rows lie between others'
      }
      stepper.begin(run, parts);
      run.limit_tile(i == 0 ? 37 : StepRun::kNoLimit);
      while (stepper.advance(run)) {
      }
    }
    EXPECT_TRUE(broken.part.failed());
    EXPECT_EQ(broken.logits.size(), static_cast<size_t>(scores));
    for (size_t p = 0; p < all.size(); ++p) {
      EXPECT_FALSE(all[p]->part.failed());
      EXPECT_EQ(all[p]->logits, expected[p]) << "player " << p;
    }
  }
}

TEST(StepBatch, AStepAloneThrowsWhatItsPartFailedOf) {
  const TinyModel model({.layers = 5, .seed = 11});
  Stepper stepper(model.transformer());
  Sequence sequence(model.transformer(), {});
  BreakingPolicy policy(0);
  const std::vector<int32_t> tokens(20, 3);
  StepRequest request;
  request.new_tokens = tokens;
  EXPECT_THROW(stepper.step(sequence, policy, request), std::runtime_error);
}

TEST(StepBatch, ProtectedRangesStayInEverySet) {
  const TinyModel model({.layers = 5, .seed = 12});
  Stepper stepper(model.transformer());
  Player player(model.transformer(), make_lazy_policy({{1, 0.05}, {3, 0.05}}, {}), 9);
  player.begin(StepKind::prompt, 80);
  StepPart* const parts[] = {&player.part};
  stepper.begin(player.run, parts);
  while (stepper.advance(player.run)) {
  }
  for (const int token : {3, 4, 20}) EXPECT_EQ(player.sequence.depth(token), 5);
  EXPECT_LE(player.part.report().set_sizes.back(), 5);
}

}  // namespace
}  // namespace lazyllm::lazy
