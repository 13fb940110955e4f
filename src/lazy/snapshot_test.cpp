// SPDX-License-Identifier: Apache-2.0
// A step that begins with a snapshot gives the bits of one that computes everything.
#include "lazy/snapshot.h"

#include <gtest/gtest.h>

#include <numeric>

#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"

namespace lazyllm::lazy {
namespace {

std::vector<int32_t> random_tokens(std::mt19937_64& generator, int64_t count) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = static_cast<int32_t>(generator() % 64);
  return tokens;
}

struct Outcome {
  std::vector<std::vector<float>> logits;  // of the prompt, then of each further token
  std::vector<int> depths;
  uint64_t computed_pairs = 0;
};

struct SnapshotRecorder : StepObserver {
  SnapshotRecorder(Snapshot* its_snapshot, const Sequence& its_sequence)
      : snapshot(its_snapshot), sequence(its_sequence) {}
  void on_computed(int depth) override {
    if (snapshot != nullptr && depth == snapshot->depth()) snapshot->record(sequence);
  }
  Snapshot* snapshot;
  const Sequence& sequence;
};

/// A prompt and ten further tokens; leaves a snapshot if one is given to fill.
Outcome answer(const TinyModel& model, Policy& policy, const std::vector<int32_t>& prompt,
               const Snapshot* from, int64_t taken, std::unique_ptr<Snapshot>* left = nullptr) {
  Stepper stepper(model.transformer());
  Sequence sequence(model.transformer(), {});
  if (from != nullptr) from->restore(taken, sequence);
  Outcome outcome;
  std::mt19937_64 generator(prompt.size());
  for (int i = 0; i <= 10; ++i) {
    const std::vector<int32_t> next = random_tokens(generator, 1);
    StepRequest request;
    request.kind = i == 0 ? StepKind::prompt : StepKind::decode;
    request.new_tokens = i == 0 ? std::span(prompt).subspan(static_cast<size_t>(taken)) : next;
    request.first_query = i == 0 ? 0 : -1;
    request.protect_first = 2;
    request.revive_budget.tokens = 3;
    request.logits = [&](int64_t, std::span<const float> values) {
      outcome.logits.emplace_back(values.begin(), values.end());
    };
    SnapshotRecorder recorder(left == nullptr ? nullptr : left->get(), sequence);
    request.observer = &recorder;
    StepPart part(model.transformer());
    part.begin(sequence, policy, request);
    StepPart* const parts[] = {&part};
    StepRun run;
    stepper.begin(run, parts);
    while (stepper.advance(run)) {
    }
    outcome.computed_pairs += part.report().computed_pairs;
  }
  for (int64_t token = 0; token < sequence.size(); ++token) {
    outcome.depths.push_back(sequence.depth(token));
  }
  if (left != nullptr) (*left)->take(std::move(sequence));
  return outcome;
}

void expect_equal(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.logits, b.logits);
  EXPECT_EQ(a.depths, b.depths);
}

struct Case {
  const char* name;
  int left_at;  // depth of the snapshot
  std::unique_ptr<Policy> first, second;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, int at, auto first, auto second) {
    all.push_back({name, at, std::move(first), std::move(second)});
  };
  const Schedule late = {{3, 0.3}, {4, 0.5}}, early = {{2, 0.4}};
  add("the same schedule", 3, make_lazy_policy(late, {}), make_lazy_policy(late, {}));
  add("a window of queries", 3, make_lazy_policy(late, {.window = 6, .pool = 3}),
      make_lazy_policy(late, {.window = 6, .pool = 3}));
  const ImportanceScore peak = {
      .window = 6, .pool = 9, .form = &find_score_form(ScoreText("peak")), .layers = 3};
  add("peaks of earlier layers", 3, make_lazy_policy(late, peak), make_lazy_policy(late, peak));
  add("a later first cut", 2, make_lazy_policy(early, {}), make_lazy_policy(late, {}));
  add("dense from dense", 5, make_dense_policy(), make_dense_policy());
  add("dense from lazy", 3, make_lazy_policy(late, {}), make_dense_policy());
  add("static", 2, make_static_policy({2, 0.5}, {}), make_static_policy({2, 0.5}, {}));
  add("tsp", 2, make_tsp_policy({2, 0.5}, {}), make_tsp_policy({2, 0.5}, {}));
  return all;
}

void expect_bits_of_a_prompt_computed_whole(const TinyShape& shape, size_t most_cases) {
  const TinyModel model(shape);
  std::mt19937_64 generator(1);
  size_t done = 0;
  for (Case& c : cases()) {
    if (done++ == most_cases) break;
    SCOPED_TRACE(c.name);
    const auto document = random_tokens(generator, 90);
    auto question = random_tokens(generator, 20);
    auto other = random_tokens(generator, 14);
    auto first = document, second = document;
    first.insert(first.end(), question.begin(), question.end());
    second.insert(second.end(), other.begin(), other.end());

    auto snapshot = std::make_unique<Snapshot>(model.transformer(), c.left_at);
    answer(model, *c.first, first, nullptr, 0, &snapshot);
    EXPECT_EQ(snapshot->size(), 120);  // with the ten tokens of the answer
    const Outcome whole = answer(model, *c.second, second, nullptr, 0);
    for (const int64_t taken : {90, 64, 1}) {
      const Outcome cached = answer(model, *c.second, second, snapshot.get(), taken);
      expect_equal(cached, whole);
      EXPECT_EQ(whole.computed_pairs - cached.computed_pairs,
                static_cast<uint64_t>(taken * c.left_at));
    }
  }
}

TEST(Snapshot, GivesTheBitsOfAPromptComputedWhole) {
  expect_bits_of_a_prompt_computed_whole({.layers = 5, .seed = 3}, 1000);
}

TEST(Snapshot, SoItDoesWithExperts) {
  expect_bits_of_a_prompt_computed_whole({.layers = 5, .experts = 4, .seed = 3}, 1);
}

TEST(Snapshot, SoItDoesWithConvolutions) {
  expect_bits_of_a_prompt_computed_whole({.layers = 5, .convolutions = {0, 4}, .seed = 3}, 1000);
}

TEST(Snapshot, OfASnapshotIsAsGood) {
  const TinyModel model({.layers = 5, .seed = 4});
  std::mt19937_64 generator(2);
  const auto lazy = make_lazy_policy({{3, 0.3}}, {});
  const auto document = random_tokens(generator, 100);
  auto first = std::make_unique<Snapshot>(model.transformer(), 3);
  answer(model, *lazy, document, nullptr, 0, &first);
  auto longer = document;
  const auto more = random_tokens(generator, 40);
  longer.insert(longer.end(), more.begin(), more.end());
  auto second = std::make_unique<Snapshot>(model.transformer(), 3);
  answer(model, *lazy, longer, first.get(), 99, &second);
  EXPECT_EQ(second->size(), 150);
  auto last = longer;
  last.push_back(7);
  expect_equal(answer(model, *lazy, last, second.get(), 140),
               answer(model, *lazy, last, nullptr, 0));
}

TEST(Snapshot, LeavesOutWhatWasNotRecorded) {
  const TinyModel model({.layers = 5, .seed = 5});
  Sequence sequence(model.transformer(), {});
  Stepper stepper(model.transformer());
  const auto dense = make_dense_policy();
  const std::vector<int32_t> tokens(70, 9);
  StepRequest request;
  request.new_tokens = tokens;
  request.stop_depth = 3;
  stepper.step(sequence, *dense, request);
  Snapshot snapshot(model.transformer(), 3);
  snapshot.record(sequence);
  sequence.append(tokens);  // as if a step had been cancelled
  snapshot.take(std::move(sequence));
  EXPECT_EQ(snapshot.size(), 70);
  Sequence fresh(model.transformer(), {});
  snapshot.restore(70, fresh);
  for (int64_t token = 0; token < 70; ++token) EXPECT_EQ(fresh.depth(token), 3);
  EXPECT_GT(snapshot.bytes(), 0u);
}

}  // namespace
}  // namespace lazyllm::lazy
