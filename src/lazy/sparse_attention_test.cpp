// SPDX-License-Identifier: Apache-2.0
// Sparse attention on tiny models: its bits follow from the prompt, not from how it is computed.
#include "lazy/sparse_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "lazy/snapshot.h"
#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"
#include "lazyllm/error.h"

namespace lazyllm::lazy {
namespace {

constexpr AttentionForm kForm = {.sparse = true,
                                 .share = 0.2,
                                 .from = 48,
                                 .chunk = 16,
                                 .first = 4,
                                 .recent = 12,
                                 .tail = 10,
                                 .representatives = 3};

AttentionForm with_share(double share) {
  AttentionForm form = kForm;
  form.share = share;
  return form;
}

std::vector<int32_t> random_tokens(uint64_t seed, int64_t count) {
  std::mt19937_64 generator(seed);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = static_cast<int32_t>(generator() % 64);
  return tokens;
}

struct Outcome {
  std::vector<std::vector<float>> logits;  // of the prompt, then of three further tokens
  std::vector<int> depths;
  StepReport prompt;
  bool operator==(const Outcome& other) const {
    return logits == other.logits && depths == other.depths;
  }
};

/// How a prompt may be computed.
struct Way {
  AttentionForm form = kForm;
  size_t tile = StepRun::kNoLimit;
  const Snapshot* from = nullptr;
  int64_t taken = 0;
  Snapshot* left = nullptr;
  std::vector<std::vector<int32_t>> beside = {};  ///< prompts in the same steps, before it
};

struct Recorder : StepObserver {
  Recorder(Snapshot* its_snapshot, const Sequence& its_sequence)
      : snapshot(its_snapshot), sequence(its_sequence) {}
  void on_computed(int depth) override {
    if (snapshot != nullptr && depth == snapshot->depth()) snapshot->record(sequence);
  }
  Snapshot* snapshot;
  const Sequence& sequence;
};

Outcome answer(const TinyModel& model, Policy& policy, const std::vector<int32_t>& prompt,
               const Way& way = {}) {
  Stepper stepper(model.transformer());
  Sequence sequence(model.transformer(), {});
  if (way.from != nullptr) way.from->restore(way.taken, sequence);
  std::vector<Sequence> other_sequences(way.beside.size(), Sequence(model.transformer(), {}));
  std::vector<StepPart> others;
  const auto dense = make_dense_policy();
  Outcome outcome;
  Recorder recorder(way.left, sequence);
  const std::vector<int32_t> further = random_tokens(prompt.size(), 3);
  for (size_t i = 0; i <= further.size(); ++i) {
    StepRequest request;
    request.kind = i == 0 ? StepKind::prompt : StepKind::decode;
    request.new_tokens = i == 0 ? std::span(prompt).subspan(static_cast<size_t>(way.taken))
                                : std::span(further).subspan(i - 1, 1);
    request.first_query = i == 0 ? 0 : -1;
    request.protect_first = 2;
    request.revive_budget.tokens = 3;
    request.attention = way.form;
    request.logits = [&](int64_t, std::span<const float> values) {
      outcome.logits.emplace_back(values.begin(), values.end());
    };
    request.observer = &recorder;
    StepPart part(model.transformer());
    std::vector<StepPart*> parts;
    others.clear();
    for (size_t j = 0; i == 0 && j < way.beside.size(); ++j)
      others.emplace_back(model.transformer());
    for (size_t j = 0; j < others.size(); ++j) {
      StepRequest beside;
      beside.new_tokens = way.beside[j];
      beside.attention = way.form;
      others[j].begin(other_sequences[j], *dense, beside);
      parts.push_back(&others[j]);
    }
    part.begin(sequence, policy, request);
    parts.push_back(&part);
    StepRun run;
    stepper.begin(run, parts);
    run.limit_tile(way.tile);
    while (stepper.advance(run)) {
    }
    if (part.failed()) std::rethrow_exception(part.failure());
    if (i == 0) outcome.prompt = part.report();
  }
  for (int64_t token = 0; token < sequence.size(); ++token) {
    outcome.depths.push_back(sequence.depth(token));
  }
  if (way.left != nullptr) way.left->take(std::move(sequence));
  return outcome;
}

TEST(AttentionForm, ReadsWhatItWrites) {
  EXPECT_FALSE(AttentionForm::parse("dense").sparse);
  EXPECT_EQ(AttentionForm::parse("dense").to_string(), "dense");
  const AttentionForm plain = AttentionForm::parse("sparse");
  EXPECT_TRUE(plain.sparse);
  EXPECT_EQ(AttentionForm::parse(plain.to_string()), plain);
  const AttentionForm full = AttentionForm::parse("sparse:0.3@5000");
  EXPECT_EQ(full.share, 0.3);
  EXPECT_GE(full.from, 5000);
  EXPECT_EQ(full.from % full.chunk, 0);
  EXPECT_EQ(AttentionForm::parse(full.to_string()), full);
  const AttentionForm early = AttentionForm::parse("sparse@0");
  EXPECT_GE(early.from, early.first + early.recent);
  EXPECT_EQ(early.from % early.chunk, 0);
  for (const char* text :
       {"", "Dense", "sparse:", "sparse:0", "sparse:-1", "sparse:1.1", "sparse:nan", "sparse:0.5x",
        "sparse@", "sparse@-1", "sparse@1e3", "sparse:0.5@x", "sparse0.5", "block", "sparse:inf"}) {
    EXPECT_THROW(AttentionForm::parse(text), Error) << text;
  }
}

TEST(AttentionForm, SaysWhatLiesInChunks) {
  EXPECT_EQ(kForm.chunked(9), 0);
  EXPECT_EQ(kForm.chunked(100), 80);
  EXPECT_EQ(kForm.chunked(106), 96);
  EXPECT_FALSE(kForm.for_size(73).sparse);
  EXPECT_TRUE(kForm.for_size(74).sparse);  // the chunk from 48 to 64 is whole, 10 behind it
  EXPECT_FALSE(AttentionForm().for_size(1 << 20).sparse);
}

TEST(AttentionForm, SaysWhatTwoPromptsShare) {
  const AttentionForm dense, other = with_share(0.5);
  EXPECT_EQ(tokens_alike(dense, dense, 77), 77);
  EXPECT_EQ(tokens_alike(kForm, kForm, 77), 64);
  EXPECT_EQ(tokens_alike(kForm, kForm, 45), 45);  // dense so far
  EXPECT_EQ(tokens_alike(dense, kForm, 77), 48);
  EXPECT_EQ(tokens_alike(kForm, dense, 77), 48);
  EXPECT_EQ(tokens_alike(kForm, other, 77), 48);
  EXPECT_EQ(tokens_alike(kForm, other, 20), 20);
}

TEST(SparseAttention, OfAllKeysIsDenseBitForBit) {
  const TinyModel model({.layers = 4, .seed = 11});
  const auto prompt = random_tokens(1, 150);
  const auto dense = make_dense_policy();
  const auto lazy = make_lazy_policy({{2, 0.8}}, {});
  for (Policy* policy : {dense.get(), lazy.get()}) {
    const Outcome all = answer(model, *policy, prompt, {.form = with_share(1.0)});
    const Outcome expected = answer(model, *policy, prompt, {.form = {}});
    EXPECT_EQ(all, expected);
    EXPECT_EQ(all.prompt.attended_pairs, expected.prompt.attended_pairs);
    EXPECT_EQ(all.prompt.causal_pairs, expected.prompt.causal_pairs);
  }
}

TEST(SparseAttention, ReadsTheShareItWasGiven) {
  const TinyModel model({.layers = 2, .seed = 12});
  const auto dense = make_dense_policy();
  const Outcome outcome = answer(model, *dense, random_tokens(2, 100));
  const Outcome expected = answer(model, *dense, random_tokens(2, 100), {.form = {}});
  EXPECT_NE(outcome.logits, expected.logits);
  // In the first layer the chunks from 48 to 80; in the last one only the last token attends.
  uint64_t saved = 0;
  for (const int64_t begin : {48, 64}) {
    const int64_t middle = begin - kForm.first - kForm.recent;
    const auto chosen = static_cast<int64_t>(std::ceil(0.2 * static_cast<double>(middle)));
    saved += static_cast<uint64_t>(16 * (middle - chosen));
  }
  EXPECT_EQ(expected.prompt.causal_pairs, 100u * 101 / 2 + 100);
  EXPECT_EQ(outcome.prompt.causal_pairs, expected.prompt.causal_pairs);
  EXPECT_EQ(outcome.prompt.causal_pairs - outcome.prompt.attended_pairs, saved);
  EXPECT_NEAR(kForm.expected_share(100), 1.0 - static_cast<double>(saved) / 5050.0, 0.005);
}

TEST(SparseAttention, TilesThreadsAndNeighboursDoNotChangeBits) {
  const TinyShape shape = {.layers = 4, .kv_heads = 2, .context = 4096, .seed = 13};
  const TinyModel one(shape, 1), three(shape, 3);
  const auto prompt = random_tokens(3, 700);
  for (const int cut : {0, 1, 2}) {
    const auto policy = [&] {
      return cut == 0   ? make_dense_policy()
             : cut == 1 ? make_lazy_policy({{1, 0.7}, {3, 0.5}}, {.window = 6, .pool = 3})
                        : make_tsp_policy({2, 0.5}, {});
    };
    const Outcome expected = answer(one, *policy(), prompt);
    for (const size_t tile : {16, 40, 100, 256}) {
      EXPECT_EQ(answer(three, *policy(), prompt, {.tile = tile}), expected) << tile;
    }
    EXPECT_EQ(answer(three, *policy(), prompt, {.beside = {random_tokens(4, 37)}}), expected);
    EXPECT_EQ(answer(three, *policy(), prompt,
                     {.tile = 64, .beside = {random_tokens(5, 300), random_tokens(6, 3)}}),
              expected);
  }
}

TEST(SparseAttention, GoesOnAfterItWasCancelled) {
  const TinyModel model({.layers = 4, .context = 4096, .seed = 14});
  const auto prompt = random_tokens(7, 1200), rest = random_tokens(8, 1);
  const auto dense = make_dense_policy();
  std::vector<int32_t> whole = prompt;
  whole.push_back(rest[0]);
  ASSERT_EQ(kForm.chunked(1200), kForm.chunked(1201));
  const auto expected = answer(model, *dense, whole).logits[0];
  for (const int layer : {0, 1, 2}) {
    for (const double share : {0.2, 0.6}) {
      Stepper stepper(model.transformer());
      Sequence sequence(model.transformer(), {});
      std::atomic<bool> cancel{false};
      StepRequest request;
      request.new_tokens = prompt;
      request.attention = kForm;
      request.first_query = 0;
      request.cancel = &cancel;
      request.progress = [&](int at, int, double done) { cancel = at == layer && done > share; };
      EXPECT_THROW(stepper.step(sequence, *dense, request), Error);
      cancel = false;
      std::vector<float> logits;
      request.progress = {};
      request.new_tokens = rest;
      request.logits = [&](int64_t, std::span<const float> values) {
        logits.assign(values.begin(), values.end());
      };
      stepper.step(sequence, *dense, request);
      EXPECT_EQ(logits, expected) << layer << " " << share;
    }
  }
}

TEST(SparseAttention, FromASnapshotGivesTheBitsOfAPromptComputedWhole) {
  const TinyModel model({.layers = 5, .seed = 15});
  const auto document = random_tokens(9, 130);
  auto first = document, second = document;
  for (const int32_t token : random_tokens(10, 30)) first.push_back(token);
  for (const int32_t token : random_tokens(11, 25)) second.push_back(token);
  struct Case {
    int depth;
    std::unique_ptr<Policy> first, second;
  };
  std::vector<Case> cases;
  cases.push_back({5, make_dense_policy(), make_dense_policy()});
  cases.push_back({3, make_lazy_policy({{3, 0.4}}, {}), make_lazy_policy({{3, 0.4}}, {})});
  cases.push_back({2, make_lazy_policy({{2, 0.6}}, {}), make_lazy_policy({{4, 0.5}}, {})});
  cases.push_back({2, make_lazy_policy({{2, 0.6}}, {}), make_dense_policy()});
  for (const Case& c : cases) {
    Snapshot snapshot(model.transformer(), c.depth, kForm, kForm.chunked(160));
    answer(model, *c.first, first, {.left = &snapshot});
    EXPECT_EQ(snapshot.size(), 144);  // neither the tail nor what was written
    const Outcome whole = answer(model, *c.second, second);
    for (const int64_t common : {130, 100, 50, 20}) {
      const int64_t taken = tokens_alike(snapshot.attention(), kForm, common);
      EXPECT_EQ(answer(model, *c.second, second, {.from = &snapshot, .taken = taken}), whole)
          << c.depth << " " << taken;
    }
    // Up to where chunks begin to be sparse a dense prompt may have them, too.
    const int64_t taken = tokens_alike(snapshot.attention(), {}, 130);
    EXPECT_EQ(answer(model, *c.second, second, {.form = {}, .from = &snapshot, .taken = taken}),
              answer(model, *c.second, second, {.form = {}}));
  }
}

TEST(SparseAttention, LeavesSlidingWindowsAndFurtherTurnsAlone) {
  SparseAttention chunks;
  std::vector<int32_t> set(120), pending;
  for (int32_t i = 0; i < 120; ++i) set[static_cast<size_t>(i)] = 2 * i;
  pending.assign(set.begin() + 50, set.end());  // a chunk of which some tokens are done is dense
  chunks.enter_layer(kForm, set, pending);
  ASSERT_NE(chunks.next_chunk(0), nullptr);
  EXPECT_EQ(chunks.next_chunk(0)->set_index, 64);
  EXPECT_EQ(chunks.next_chunk(0)->pending_index, 14);
  EXPECT_EQ(chunks.next_chunk(15)->set_index, 80);
  EXPECT_EQ(chunks.next_chunk(47), nullptr);
  EXPECT_EQ(chunks.whole_rows(0, 14, true), 14);
  EXPECT_EQ(chunks.whole_rows(0, 20, true), 14);
  EXPECT_EQ(chunks.whole_rows(14, 5, true), 16);
  EXPECT_EQ(chunks.whole_rows(14, 5, false), 0);
  EXPECT_EQ(chunks.whole_rows(14, 20, true), 16);
  EXPECT_EQ(chunks.whole_rows(14, 32, true), 32);
  EXPECT_EQ(chunks.whole_rows(14, 40, true), 40);  // dense ones behind it
  EXPECT_EQ(chunks.whole_rows(46, 24, true), 24);
  pending.erase(pending.begin() + 20);
  chunks.enter_layer(kForm, set, pending);
  EXPECT_EQ(chunks.next_chunk(0)->set_index, 80);
}

}  // namespace
}  // namespace lazyllm::lazy
