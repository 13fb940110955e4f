// SPDX-License-Identifier: Apache-2.0
// Jobs of a scheduler that are no answers: what a prompt looks at, slots in files.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/answers_for_tests.h"
#include "lazyllm/error.h"
#include "lazyllm/research/attention.h"
#include "lazyllm/scheduler.h"

namespace lazyllm {
namespace {

std::shared_ptr<const Model> tiny_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model({.layers = 5, .context = 2048});
  return model;
}

/// What a session of its own answers.
GenerationResult alone(const AnswerRequest& request) {
  SessionOptions options;
  options.pruning = request.pruning;
  return Session(tiny_model(), options).generate(request.prompt, request.generation);
}

TEST(SchedulerJobs, SaysWhatTheLastTokensLookAt) {
  Scheduler scheduler(tiny_model(), {.parallel = 2, .cache_bytes = 1 << 20});
  const std::vector<TokenId> tokens = random_tokens(60);
  read(*scheduler.submit(request(tokens, 3)));  // leaves a snapshot, which is not used here
  AnswerRequest r = request(tokens, 0);
  r.attention = AttentionQuestion{{{1, 2}, {10, 30}}, {{58, 59}, {59, 60}}, {}, true};
  const Outcome all = read(*scheduler.submit(r));
  ASSERT_FALSE(all.end.error);
  const size_t heads = all.end.attention.size() / 4;  // layers but the last
  ASSERT_EQ(heads * 4, all.end.attention.size());
  // The last token's attention, told in another way.
  last_token_attention(*tiny_model(), tokens, [&](int layer, std::span<const float> scores) {
    double first = 0.0, second = 0.0, expected = 0.0;
    for (const HeadAttention& one : all.end.attention) {
      if (one.head.layer != layer) continue;
      ASSERT_EQ(one.mass.size(), 4u);
      first += static_cast<double>(one.mass[2]) / static_cast<double>(heads);
      second += static_cast<double>(one.mass[3]) / static_cast<double>(heads);
    }
    for (size_t i = 10; i < 30; ++i) expected += static_cast<double>(scores[i]);
    EXPECT_NEAR(first, scores[1], 1e-5) << layer;
    EXPECT_NEAR(second, expected, 1e-5) << layer;
  });
  // The mean over chosen heads; nothing is computed behind the last one's layer.
  r.attention->by_head = false;
  r.attention->heads = {{2, 1}, {1, 2}};
  const Outcome chosen = read(*scheduler.submit(r));
  ASSERT_EQ(chosen.end.attention.size(), 1u);
  const auto of = [&](int layer, int head) {
    return all.end
        .attention[static_cast<size_t>(layer - 1) * heads + static_cast<size_t>(head - 1)];
  };
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(chosen.end.attention[0].mass[i], (of(2, 1).mass[i] + of(1, 2).mass[i]) / 2, 1e-6);
  }
  const std::vector<int64_t> computed = chosen.end.statistics.kept_per_layer;
  EXPECT_EQ(std::ranges::count(computed, std::ssize(tokens)), 2);
  EXPECT_EQ(std::ranges::count(computed, 0), std::ssize(computed) - 2);
  // Beside an answer, whose bits do not change.
  auto beside = scheduler.submit(request(random_tokens(200, 3), 50));
  EXPECT_EQ(read(*scheduler.submit(r)).end.attention[0].mass, chosen.end.attention[0].mass);
  EXPECT_EQ(read(*beside).tokens, alone(request(random_tokens(200, 3), 50)).tokens);
}

TEST(SchedulerJobs, RefusesToLookWhereNothingIs) {
  Scheduler scheduler(tiny_model(), {.parallel = 1});
  const auto refuses = [&](const AttentionQuestion& question, int64_t max_tokens = 0) {
    AnswerRequest r = request(random_tokens(60), max_tokens);
    r.attention = question;
    EXPECT_THROW(scheduler.submit(r), Error);
  };
  refuses({{{1, 2}}, {{58, 61}}, {}});
  refuses({{{-1, 2}}, {{58, 60}}, {}});
  refuses({{{1, 1}}, {{58, 60}}, {}});
  refuses({{{5, 9}, {8, 10}}, {{58, 60}}, {}});
  refuses({{{5, 59}}, {{58, 60}}, {}});
  refuses({{}, {{58, 60}}, {}});
  refuses({{{5, 9}}, {}, {}});
  refuses({{{5, 9}}, {{58, 60}}, {{5, 1}}});
  refuses({{{5, 9}}, {{58, 60}}, {{1, 0}}});
  refuses({{{5, 9}}, {{58, 60}}, {}}, 1);
}

TEST(SchedulerJobs, WritesASlotToAFileAndReadsItBack) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("lazyllm-slot-{}", ::getpid());
  const SchedulerOptions options = {.parallel = 2, .cache_bytes = 1 << 20};
  const std::vector<TokenId> tokens = random_tokens(120);
  AnswerRequest r = request(tokens, 5);
  r.slot = 1;
  const GenerationResult cold = alone(r);
  {
    Scheduler scheduler(tiny_model(), options);
    EXPECT_THROW(scheduler.save_slot(1, file), Error) << "nothing ended there";
    EXPECT_THROW(scheduler.save_slot(2, file), Error);
    EXPECT_EQ(read(*scheduler.submit(r)).tokens, cold.tokens);
    EXPECT_THROW(scheduler.save_slot(0, file), Error);
    const auto saved = scheduler.save_slot(1, file);
    EXPECT_GE(saved.tokens, 120);
    EXPECT_EQ(saved.bytes, std::filesystem::file_size(file));
    EXPECT_GE(scheduler.erase_slot(1), 120);
    EXPECT_EQ(scheduler.metrics().snapshots, 0u);
    EXPECT_EQ(read(*scheduler.submit(r)).end.cached_tokens, 0);
  }
  Scheduler scheduler(tiny_model(), options);
  EXPECT_GE(scheduler.restore_slot(0, file).tokens, 120);
  const Outcome warm = read(*scheduler.submit(r));
  EXPECT_GT(warm.end.cached_tokens, 100);
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_GE(scheduler.save_slot(0, file).tokens, 120);
  std::ofstream(file) << "foreign bytes";
  EXPECT_THROW(scheduler.restore_slot(0, file), Error);
  std::filesystem::remove(file);
  EXPECT_THROW(scheduler.restore_slot(0, file), Error);
  r.slot = 7;
  EXPECT_THROW(scheduler.submit(r), Error);
}

}  // namespace
}  // namespace lazyllm
