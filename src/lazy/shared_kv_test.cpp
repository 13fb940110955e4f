// SPDX-License-Identifier: Apache-2.0
// Layers that read keys and values of earlier ones, and layers that embed tokens anew: what a
// prefill leaves out of them changes no bit.
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"

namespace lazyllm::lazy {
namespace {

constexpr TinyShape kShape{.layers = 5, .seed = 3, .shared_kv_layers = 4};

std::vector<int32_t> some_tokens(int count, int first = 7) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((first + i * i * 5) % 64);
  return tokens;
}

struct Result {
  std::vector<std::vector<float>> logits;
  StepReport report;
};

Result step(Stepper& stepper, Sequence& sequence, Policy& policy, std::span<const int32_t> tokens,
            std::span<const int32_t> positions = {}) {
  Result result;
  StepRequest request;
  request.new_tokens = tokens;
  request.kind = tokens.size() > 1 ? StepKind::prompt : StepKind::decode;
  request.logit_positions = positions;
  request.logits = [&](int64_t, std::span<const float> values) {
    result.logits.emplace_back(values.begin(), values.end());
  };
  result.report = stepper.step(sequence, policy, request);
  return result;
}

TEST(SharedKv, RowsThatNobodyWantsAreLeftOutAndChangeNoBit) {
  const TinyModel model(kShape);
  Stepper stepper(model.transformer());
  const auto dense = make_dense_policy();
  const std::vector<int32_t> tokens = some_tokens(150);
  std::vector<int32_t> all(tokens.size());
  std::iota(all.begin(), all.end(), 0);

  Sequence last_only(model.transformer(), {}), everything(model.transformer(), {});
  const Result last = step(stepper, last_only, *dense, tokens);
  const Result full = step(stepper, everything, *dense, tokens, all);
  ASSERT_EQ(last.logits.size(), 1u);
  ASSERT_EQ(full.logits.size(), tokens.size());
  EXPECT_EQ(last.logits.back(), full.logits.back());
  EXPECT_EQ(last.report.finished_rows, 1);
  EXPECT_EQ(full.report.finished_rows, 150);
  EXPECT_EQ(last.report.computed_pairs, 150u * 5u);

  // Both go on alike: nothing behind reads what was left out.
  for (const int32_t token : some_tokens(6, 11)) {
    EXPECT_EQ(step(stepper, last_only, *dense, {&token, 1}).logits,
              step(stepper, everything, *dense, {&token, 1}).logits);
  }
}

TEST(SharedKv, ATokenIsCompleteBehindTheLastKeysOfItsOwn) {
  const TinyModel model(kShape);
  Stepper stepper(model.transformer());
  const auto policy = make_lazy_policy({{2, 0.4}}, {});
  Sequence sequence(model.transformer(), {});
  step(stepper, sequence, *policy, some_tokens(90));
  EXPECT_EQ(sequence.layers(), 5);
  uint64_t pairs = 0;
  for (int64_t token = 0; token < sequence.size(); ++token) {
    const int depth = sequence.depth(token);
    EXPECT_TRUE(depth == 2 || depth == 5) << depth;
    EXPECT_EQ(sequence.hidden(2).has(token), depth == 2);
    pairs += static_cast<uint64_t>(depth);
  }
  EXPECT_EQ(sequence.computed_pairs(), pairs);
  EXPECT_EQ(sequence.depth(sequence.size() - 1), 5);
}

TEST(SharedKv, RevivedTokensAreEmbeddedAsThemselves) {
  const TinyModel model(kShape);
  Stepper stepper(model.transformer());
  const auto pruning = make_lazy_policy({{2, 0.4}}, {}), dense = make_dense_policy();
  const std::vector<int32_t> tokens = some_tokens(90);
  // All come back in the second step, and what they leave there is what a dense prefill leaves.
  Sequence lazy(model.transformer(), {}), expected(model.transformer(), {});
  step(stepper, lazy, *pruning, std::span(tokens).first(1));
  step(stepper, expected, *dense, std::span(tokens).first(1));
  StepRequest request;
  request.new_tokens = std::span(tokens).subspan(1, 80);
  request.kind = StepKind::prompt;
  request.stop_depth = 2;
  stepper.step(lazy, *dense, request);
  for (int64_t token = 1; token < lazy.size(); ++token) ASSERT_EQ(lazy.depth(token), 2);
  step(stepper, expected, *dense, std::span(tokens).subspan(1, 80));
  EXPECT_EQ(step(stepper, lazy, *dense, std::span(tokens).subspan(81)).logits,
            step(stepper, expected, *dense, std::span(tokens).subspan(81)).logits);
}

TEST(SharedKv, ADamagedEmbeddingOfALayerEndsOnePart) {
  TinyShape shape = kShape;
  shape.damaged_layer_token = 5;
  const TinyModel model(shape);
  Stepper stepper(model.transformer());
  const auto dense = make_dense_policy();
  std::vector<int32_t> sound = some_tokens(40), damaged = sound;
  for (int32_t& token : sound) token = token == 5 ? 6 : token;
  damaged[20] = 5;  // the last layer's values, which only rows with results read
  Sequence alone(model.transformer(), {});
  const Result expected = step(stepper, alone, *dense, sound);

  Sequence first(model.transformer(), {}), second(model.transformer(), {});
  StepPart bad(model.transformer()), good(model.transformer());
  std::vector<int32_t> positions(40);
  std::iota(positions.begin(), positions.end(), 0);
  StepRequest request;
  request.logit_positions = positions;
  request.logits = [](int64_t, std::span<const float>) {};
  request.new_tokens = damaged;
  bad.begin(first, *dense, request);
  std::vector<float> logits;
  request.logit_positions = {};
  request.logits = [&](int64_t, std::span<const float> values) {
    logits.assign(values.begin(), values.end());
  };
  request.new_tokens = sound;
  good.begin(second, *dense, request);
  StepPart* const parts[] = {&bad, &good};
  StepRun run;
  stepper.begin(run, parts);
  while (stepper.advance(run)) {
  }
  EXPECT_TRUE(bad.failed());
  EXPECT_THROW(std::rethrow_exception(bad.failure()), Error);
  EXPECT_FALSE(good.failed());
  EXPECT_EQ(logits, expected.logits.back());
}

}  // namespace
}  // namespace lazyllm::lazy
