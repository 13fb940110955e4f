// SPDX-License-Identifier: Apache-2.0
// The laws of laziness as property tests on random tiny models and random schedules.
#include "lazy/step.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "lazy/tiny_model_for_tests.h"
#include "lazyllm/error.h"

namespace lazyllm::lazy {
namespace {

constexpr int kModels = 6;
constexpr CacheTypes kExact{kernels::CacheType::f32, kernels::CacheType::f32};

std::vector<int32_t> random_tokens(std::mt19937_64& generator, int64_t count, int vocabulary) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens)
    token = static_cast<int32_t>(generator() % static_cast<uint64_t>(vocabulary));
  return tokens;
}

Schedule random_schedule(std::mt19937_64& generator, int layers) {
  Schedule schedule;
  for (int layer = 1; layer < layers; ++layer) {
    if (generator() % 2 == 0)
      schedule.push_back({layer, 0.1 + 0.1 * static_cast<double>(generator() % 9)});
  }
  if (schedule.empty()) schedule.push_back({1, 0.5});
  return schedule;
}

/// Any of the scores, with any window and pool.
ImportanceScore random_score(std::mt19937_64& generator, const TinyShape& shape) {
  ImportanceScore score;
  score.window = generator() % 2 == 0 ? 1 : 1 + static_cast<int>(generator() % 9);
  score.pool = generator() % 2 == 0 ? 1 : 7;
  constexpr const char* kForms[] = {"window", "value", "heads", "accumulate", "peak", "ahead"};
  score.form = &find_score_form(ScoreText(kForms[generator() % std::size(kForms)]));
  score.layers = 1 + static_cast<int>(generator() % 4);
  if (score.form->name() != "heads") return score;
  for (int layer = 1; layer <= shape.layers; ++layer) {
    const int head = 1 + static_cast<int>(generator() % static_cast<uint64_t>(shape.heads));
    const float weight = 0.1f + static_cast<float>(generator() % 10);
    if (layer == 1 || generator() % 2 == 0) score.heads.push_back({layer, head, weight});
  }
  return score;
}

double random_mass(std::mt19937_64& generator) {
  return generator() % 2 == 0 ? 0.0 : 0.1 * static_cast<double>(1 + generator() % 9);
}

TinyShape random_shape(std::mt19937_64& generator) {
  TinyShape shape;
  shape.layers = 2 + static_cast<int>(generator() % 4);
  shape.kv_heads = 1 + static_cast<int>(generator() % 3);
  shape.heads = shape.kv_heads * (1 + static_cast<int>(generator() % 3));
  shape.head_dim = 4 + 2 * static_cast<int>(generator() % 6);
  shape.hidden = 24 + 4 * static_cast<int>(generator() % 5);
  shape.seed = generator();
  switch (generator() % 3) {
    case 0:
      shape.experts = 4;
      break;
    case 1:  // a cut there cuts nothing, so not where the last cut is
      for (int layer = 0; layer < shape.layers; ++layer) {
        if (layer == shape.layers - 2 || generator() % 2 == 0) continue;
        shape.convolutions.push_back(layer);
      }
      break;
  }
  return shape;
}

/// Watches the laws that hold inside a step.
class LawObserver : public StepObserver {
 public:
  explicit LawObserver(const Sequence& sequence) : sequence_(sequence) {}

  void on_layer(int layer, std::span<const int32_t> set,
                std::span<const int32_t> pending) override {
    EXPECT_TRUE(std::is_sorted(set.begin(), set.end()));
    for (const int32_t token : pending) {
      EXPECT_TRUE(computed_.insert({token, layer}).second)
          << "token " << token << " computed twice in layer " << layer;
    }
    for (const int32_t token : set) EXPECT_GE(sequence_.depth(token), layer);
    sets_[layer].assign(set.begin(), set.end());
    remember_rows();
  }

  /// After a step: depths never fell, and every waiting token still has the row it had.
  void check_rows() {
    for (const auto& [token, state] : rows_) {
      EXPECT_GE(sequence_.depth(token), state.depth);
      if (sequence_.depth(token) != state.depth) continue;
      ASSERT_TRUE(sequence_.hidden(1).has(token));
      EXPECT_EQ(std::memcmp(sequence_.hidden(1).row(token), state.row.data(),
                            state.row.size() * sizeof(float)),
                0);
    }
    rows_.clear();
    remember_rows();
  }

  void set_row_size(size_t size) { row_size_ = size; }
  const std::vector<int32_t>& set_entering(int layer) { return sets_[layer]; }
  size_t pairs() const { return computed_.size(); }

 private:
  struct State {
    int depth;
    std::vector<float> row;
  };

  void remember_rows() {
    for (int64_t token = 0; token < sequence_.size(); ++token) {
      if (!sequence_.hidden(1).has(token)) continue;
      const float* row = sequence_.hidden(1).row(token);
      rows_[static_cast<int32_t>(token)] = {sequence_.depth(token), {row, row + row_size_}};
    }
  }

  const Sequence& sequence_;
  size_t row_size_ = 0;
  std::set<std::pair<int32_t, int>> computed_;  // over the life of the sequence
  std::map<int, std::vector<int32_t>> sets_;
  std::map<int32_t, State> rows_;
};

struct Runner {
  explicit Runner(const model::Transformer& transformer)
      : stepper(transformer), sequence(transformer, kExact) {}

  std::vector<float> feed(Policy& policy, std::span<const int32_t> tokens, StepKind kind,
                          RevivalBudget budget = {}, StepObserver* observer = nullptr,
                          int stop_depth = -1) {
    std::vector<float> logits;
    StepRequest request;
    request.new_tokens = tokens;
    request.kind = kind;
    request.revive_budget = budget;
    request.stop_depth = stop_depth;
    request.first_query = kind == StepKind::prompt ? 0 : -1;
    request.observer = observer;
    request.logits = [&](int64_t, std::span<const float> values) {
      logits.assign(values.begin(), values.end());
    };
    report = stepper.step(sequence, policy, request);
    return logits;
  }

  Stepper stepper;
  Sequence sequence;
  StepReport report;
};

/// One layer's keys and values of a token, as bytes.
std::vector<std::byte> stored_kv(const Sequence& sequence, int layer, int64_t token) {
  const kernels::KvLayerView view = sequence.kv(layer).view();
  const int32_t slot = sequence.kv(layer).slot(token);
  const std::byte* block = view.blocks[static_cast<size_t>(slot / kernels::kKvBlockSlots)];
  std::vector<std::byte> bytes;
  for (int head = 0; head < view.layout.kv_heads; ++head) {
    const std::byte* k = block + view.layout.key_offset(head, slot % kernels::kKvBlockSlots);
    const std::byte* v = block + view.layout.value_offset(head, slot % kernels::kKvBlockSlots);
    bytes.insert(bytes.end(), k, k + view.layout.k_row_bytes());
    bytes.insert(bytes.end(), v, v + view.layout.v_row_bytes());
  }
  return bytes;
}

TEST(Step, KeepRatioOneIsDenseBitForBit) {
  std::mt19937_64 generator(1);
  for (int m = 0; m < kModels; ++m) {
    const TinyShape shape = random_shape(generator);
    const TinyModel model(shape);
    Schedule schedule;
    for (int layer = 1; layer < shape.layers; ++layer) schedule.push_back({layer, 1.0});
    const auto dense = make_dense_policy();
    const auto lazy = make_lazy_policy(schedule, random_score(generator, shape), 0.0, shape.heads);
    Runner a(model.transformer()), b(model.transformer());
    auto tokens = random_tokens(generator, 30 + m * 17, shape.vocabulary);
    EXPECT_EQ(a.feed(*dense, tokens, StepKind::prompt), b.feed(*lazy, tokens, StepKind::prompt));
    for (int i = 0; i < 5; ++i) {
      tokens = random_tokens(generator, 1, shape.vocabulary);
      EXPECT_EQ(a.feed(*dense, tokens, StepKind::decode),
                b.feed(*lazy, tokens, StepKind::decode, {0}));
    }
    EXPECT_EQ(b.sequence.aux_bytes(), 0u);
  }
}

TEST(Step, ChunksAndThreadsDoNotChangeBits) {
  std::mt19937_64 generator(2);
  for (int m = 0; m < kModels; ++m) {
    const TinyShape shape = random_shape(generator);
    const TinyModel one(shape, 1), three(shape, 3);
    const auto tokens = random_tokens(generator, 150, shape.vocabulary);
    const Schedule schedule = random_schedule(generator, shape.layers);
    // Whole and in chunks, each with a policy of its own: scores are carried in it.
    const ImportanceScore score = random_score(generator, shape);
    const double mass = random_mass(generator);
    const auto lazy = make_lazy_policy(schedule, score, mass, shape.heads);
    const auto lazy_of_chunks = make_lazy_policy(schedule, score, mass, shape.heads);
    Runner whole(one.transformer()), chunked(three.transformer());
    const auto expected = whole.feed(*lazy, tokens, StepKind::prompt);
    // Dense chunks up to the first pruning layer, then the rest in one step.
    const auto span = std::span(tokens);
    for (size_t begin = 0; begin < 120; begin += 40) {
      chunked.feed(*lazy_of_chunks, span.subspan(begin, 40), StepKind::prompt, {}, nullptr,
                   schedule.front().layer);
    }
    EXPECT_EQ(chunked.feed(*lazy_of_chunks, span.subspan(120), StepKind::prompt), expected);
    for (int64_t token = 0; token < whole.sequence.size(); ++token) {
      ASSERT_EQ(whole.sequence.depth(token), chunked.sequence.depth(token));
    }
  }
}

TEST(Step, NothingIsComputedTwiceAndDroppedRowsStay) {
  std::mt19937_64 generator(3);
  for (int m = 0; m < 4 * kModels; ++m) {
    const TinyShape shape = random_shape(generator);
    const TinyModel model(shape);
    const Schedule schedule = random_schedule(generator, shape.layers);
    const auto lazy = make_lazy_policy(schedule, random_score(generator, shape),
                                       random_mass(generator), shape.heads);
    Runner runner(model.transformer());
    LawObserver laws(runner.sequence);
    laws.set_row_size(static_cast<size_t>(shape.hidden));
    const RevivalBudget budget{m % 2 == 0 ? RevivalBudget::kAll : m % 5};
    runner.feed(*lazy, random_tokens(generator, 40 + m, shape.vocabulary), StepKind::prompt, {},
                &laws);
    laws.check_rows();
    for (int i = 0; i < 12; ++i) {
      const bool turn = i == 6;  // a further turn in between
      runner.feed(*lazy, random_tokens(generator, turn ? 9 : 1, shape.vocabulary),
                  turn ? StepKind::prompt : StepKind::decode, budget, &laws);
      laws.check_rows();
      if (!turn && budget.tokens >= 0) {
        EXPECT_LE(runner.report.revived, budget.tokens);
      }
      EXPECT_EQ(runner.sequence.depth(runner.sequence.size() - 1), shape.layers);
    }
    uint64_t depths = 0;
    for (int64_t token = 0; token < runner.sequence.size(); ++token) {
      depths += static_cast<uint64_t>(runner.sequence.depth(token));
      const bool waiting =
          runner.sequence.depth(token) > 0 && runner.sequence.depth(token) < shape.layers;
      EXPECT_EQ(runner.sequence.hidden(1).has(token), waiting);
      for (int layer = 0; layer < shape.layers; ++layer) {
        if (layer < runner.sequence.depth(token)) {
          EXPECT_NE(runner.sequence.kv(layer).slot(token), KvCache::kNoSlot);
        }
      }
    }
    EXPECT_EQ(runner.sequence.computed_pairs(), depths);
    EXPECT_EQ(laws.pairs(), depths);
  }
}

TEST(Step, RevivingEverythingAfterTheLastCutGivesDenseKeysAndValues) {
  std::mt19937_64 generator(4);
  for (int m = 0; m < kModels; ++m) {
    const TinyShape shape = random_shape(generator);
    const TinyModel model(shape);
    const auto lazy = make_lazy_policy({{shape.layers - 1, 0.2}}, {});
    const auto dense = make_dense_policy();
    Runner a(model.transformer()), b(model.transformer());
    const auto prompt = random_tokens(generator, 60, shape.vocabulary);
    const auto next = random_tokens(generator, 1, shape.vocabulary);
    a.feed(*lazy, prompt, StepKind::prompt);
    EXPECT_GT(a.sequence.aux_bytes(), 0u);
    a.feed(*dense, next, StepKind::decode);  // keeps all: everything is revived
    b.feed(*dense, prompt, StepKind::prompt);
    b.feed(*dense, next, StepKind::decode);
    EXPECT_EQ(a.sequence.aux_bytes(), 0u);
    EXPECT_EQ(a.sequence.kv_bytes(), b.sequence.kv_bytes());
    for (int64_t token = 0; token < 61; ++token) {
      ASSERT_EQ(a.sequence.depth(token), shape.layers);
      for (int layer = 0; layer < shape.layers; ++layer) {
        EXPECT_EQ(stored_kv(a.sequence, layer, token), stored_kv(b.sequence, layer, token));
      }
    }
  }
}

TEST(Step, PermanentPoliciesNeverComeBack) {
  std::mt19937_64 generator(5);
  for (int m = 0; m < kModels; ++m) {
    TinyShape shape = random_shape(generator);
    shape.layers = 4;
    const TinyModel model(shape);
    for (const bool tsp : {true, false}) {
      const auto policy = tsp ? make_tsp_policy({2, 0.3}, {.window = 8, .pool = 7})
                              : make_static_policy({2, 0.3}, {});
      Runner runner(model.transformer());
      LawObserver laws(runner.sequence);
      runner.feed(*policy, random_tokens(generator, 50, shape.vocabulary), StepKind::prompt, {},
                  &laws);
      const auto kept = laws.set_entering(3);
      EXPECT_EQ(kept.size(), 15u);
      EXPECT_EQ(runner.sequence.aux_bytes(), 0u);
      for (int i = 0; i < 4; ++i) {
        runner.feed(*policy, random_tokens(generator, 1, shape.vocabulary), StepKind::decode, {},
                    &laws);
        auto expected = kept;
        for (int g = 0; g <= i; ++g) expected.push_back(50 + g);
        EXPECT_EQ(laws.set_entering(3), expected);
        EXPECT_EQ(laws.set_entering(1).size(), static_cast<size_t>(51 + i));
      }
    }
  }
}

TEST(Step, MemoryFollowsWhatIsKept) {
  TinyShape shape;
  shape.layers = 4;
  const TinyModel model(shape);
  std::mt19937_64 generator(6);
  const auto prompt = random_tokens(generator, 200, shape.vocabulary);
  const auto dense = make_dense_policy();
  const auto lazy = make_lazy_policy({{2, 0.1}}, {});
  Runner a(model.transformer()), b(model.transformer());
  a.feed(*dense, prompt, StepKind::prompt);
  b.feed(*lazy, prompt, StepKind::prompt);
  const size_t block = a.sequence.kv(0).view().layout.block_bytes();
  EXPECT_EQ(a.sequence.kv_bytes(), 4 * 4 * block);
  EXPECT_EQ(b.sequence.kv_bytes(), (2 * 4 + 2 * 1) * block);
  EXPECT_EQ(b.report.set_sizes, (std::vector<int64_t>{200, 200, 20, 20}));
}

TEST(Step, CancellingLeavesASequenceThatGoesOnToTheSameResult) {
  TinyShape shape;
  const TinyModel model(shape);
  std::mt19937_64 generator(7);
  const auto prompt = random_tokens(generator, 120, shape.vocabulary);
  const auto next = random_tokens(generator, 1, shape.vocabulary);
  const auto dense = make_dense_policy();
  Runner expected(model.transformer()), cancelled(model.transformer());
  expected.feed(*dense, prompt, StepKind::prompt);
  const auto logits = expected.feed(*dense, next, StepKind::decode);

  std::atomic<bool> cancel{false};
  StepRequest request;
  request.new_tokens = prompt;
  request.cancel = &cancel;
  request.progress = [&](int layer, int, double) { cancel = layer == 2; };
  EXPECT_THROW(cancelled.stepper.step(cancelled.sequence, *dense, request), Error);
  for (int64_t token = 0; token < 120; ++token) EXPECT_LE(cancelled.sequence.depth(token), 3);
  EXPECT_EQ(cancelled.feed(*dense, next, StepKind::decode), logits);

  cancelled.sequence.truncate(0);
  EXPECT_EQ(cancelled.sequence.kv_bytes() + cancelled.sequence.aux_bytes(), 0u);
  cancelled.feed(*dense, prompt, StepKind::prompt);
  EXPECT_EQ(cancelled.feed(*dense, next, StepKind::decode), logits);
}

TEST(Step, TruncatedTokensAreComputedAnew) {
  TinyShape shape;
  const TinyModel model(shape);
  std::mt19937_64 generator(8);
  const auto prompt = random_tokens(generator, 130, shape.vocabulary);
  const auto dense = make_dense_policy();
  Runner a(model.transformer()), b(model.transformer());
  const auto expected = a.feed(*dense, prompt, StepKind::prompt);
  b.feed(*dense, random_tokens(generator, 100, shape.vocabulary), StepKind::prompt);
  b.sequence.truncate(0);
  b.feed(*dense, std::span(prompt).first(90), StepKind::prompt);
  b.feed(*dense, random_tokens(generator, 30, shape.vocabulary), StepKind::prompt);
  b.sequence.truncate(90);
  EXPECT_EQ(b.feed(*dense, std::span(prompt).subspan(90), StepKind::prompt), expected);
}

TEST(Step, LogitsAtAnyPositionEqualThoseOfTheShorterPrompt) {
  TinyShape shape;
  const TinyModel model(shape);
  std::mt19937_64 generator(9);
  const auto prompt = random_tokens(generator, 70, shape.vocabulary);
  const auto dense = make_dense_policy();
  const std::vector<int32_t> positions = {0, 13, 14, 64, 69};
  std::map<int64_t, std::vector<float>> all;
  Runner runner(model.transformer());
  StepRequest request;
  request.new_tokens = prompt;
  request.logit_positions = positions;
  request.logits = [&](int64_t position, std::span<const float> values) {
    all[position].assign(values.begin(), values.end());
  };
  runner.stepper.step(runner.sequence, *dense, request);
  ASSERT_EQ(all.size(), positions.size());
  for (const int32_t position : positions) {
    Runner shorter(model.transformer());
    EXPECT_EQ(shorter.feed(*dense, std::span(prompt).first(static_cast<size_t>(position) + 1),
                           StepKind::prompt),
              all[position]);
  }
}

TEST(Step, PromptEditorsKeepTheirShareAndTheProtected) {
  TinyShape shape;
  const TinyModel model(shape);
  std::mt19937_64 generator(10);
  const auto prompt = random_tokens(generator, 80, shape.vocabulary);
  Stepper stepper(model.transformer());
  const PromptEditor editor{model.transformer(), stepper, 42, 3, 5, {}, nullptr, {}};
  const auto random = make_random_policy(0.5), compress = make_compress_policy(0.5),
             gem = make_gem_policy({2, 0.5}, 5);
  const std::pair<Policy*, uint64_t> cases[] = {
      {random.get(), 0u}, {compress.get(), 80u * 4u}, {gem.get(), 80u * 2u}};
  for (const auto& [policy, pairs] : cases) {
    const EditedPrompt edited = policy->edit_prompt(prompt, editor);
    ASSERT_EQ(edited.kept.size(), 40u) << policy->name();
    EXPECT_EQ(edited.computed_pairs, pairs) << policy->name();
    EXPECT_TRUE(std::is_sorted(edited.kept.begin(), edited.kept.end()));
    for (const int32_t index : {0, 1, 2, 75, 76, 77, 78, 79}) {
      EXPECT_TRUE(std::binary_search(edited.kept.begin(), edited.kept.end(), index))
          << policy->name();
    }
    EXPECT_EQ(policy->edit_prompt(prompt, editor).kept, edited.kept);
  }
}

}  // namespace
}  // namespace lazyllm::lazy
