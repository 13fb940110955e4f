// SPDX-License-Identifier: Apache-2.0
// What a scheduler promises: load and caches change no answer, memory is promised before it is
// used, and whoever goes away leaves nothing behind. On tiny random models without a tokenizer.
#include "lazyllm/scheduler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <thread>

#include "engine/answers_for_tests.h"

namespace lazyllm {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Model> tiny_model() {
  static const std::shared_ptr<const Model> model = load_tiny_model({.layers = 5, .context = 2048});
  return model;
}

/// What a session of its own answers.
GenerationResult alone(const AnswerRequest& request, Statistics* statistics = nullptr) {
  SessionOptions options;
  options.pruning = request.pruning;
  Session session(tiny_model(), options);
  GenerationResult result = session.generate(request.prompt, request.generation);
  if (statistics != nullptr) *statistics = session.statistics();
  return result;
}

void wait_until_idle(const Scheduler& scheduler) {
  for (int i = 0; i < 6000 && scheduler.metrics().running + scheduler.metrics().waiting > 0; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(scheduler.metrics().running, 0);
  EXPECT_EQ(scheduler.metrics().kv_bytes_reserved, 0u);
}

TEST(Scheduler, LoadChangesNoAnswer) {
  Scheduler scheduler(tiny_model(), {.parallel = 3});
  std::vector<AnswerRequest> requests;
  const char* const policies[][2] = {
      {"lazy", "2:0.4"},   {"dense", ""},         {"tsp", "2:0.5"},        {"gem", "2:0.5"},
      {"random", "0:0.5"}, {"compress", "0:0.5"}, {"lazy", "1:0.7,3:0.5"}, {"static", "3:0.5"}};
  for (int i = 0; i < 16; ++i) {
    requests.push_back(request(random_tokens(20 + 37 * i, i), 5 + 3 * (i % 5), policies[i % 8][0],
                               policies[i % 8][1]));
  }
  std::vector<std::unique_ptr<Answer>> answers;
  for (const AnswerRequest& r : requests) answers.push_back(scheduler.submit(r));
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    const Outcome outcome = read(*answers[i]);
    Statistics statistics;
    EXPECT_EQ(outcome.tokens, alone(requests[i], &statistics).tokens);
    EXPECT_FALSE(outcome.end.error);
    EXPECT_EQ(outcome.end.reason, FinishReason::length);
    const Statistics& s = outcome.end.statistics;
    EXPECT_EQ(s.kept_per_layer, statistics.kept_per_layer);
    EXPECT_EQ(s.computed_fraction, statistics.computed_fraction);
    EXPECT_EQ(s.computed_fraction_end, statistics.computed_fraction_end);
    EXPECT_EQ(s.revived_tokens, statistics.revived_tokens);
    EXPECT_EQ(s.schedule, statistics.schedule);
  }
  const SchedulerMetrics metrics = scheduler.metrics();
  EXPECT_EQ(metrics.requests, 16u);
  EXPECT_GT(metrics.decode_rows, metrics.decode_steps);  // answers did share steps
  wait_until_idle(scheduler);
}

TEST(Scheduler, ASecondQuestionAnswersAsWithoutTheCache) {
  Scheduler scheduler(tiny_model(), {.parallel = 2, .cache_bytes = 64 << 20});
  const auto document = random_tokens(400, 3);
  const auto ask = [&](int seed, bool use_cache, const std::string& prune) {
    auto prompt = document;
    const auto question = random_tokens(15, seed);
    prompt.insert(prompt.end(), question.begin(), question.end());
    AnswerRequest r = request(prompt, 12, "lazy", prune);
    r.use_cache = use_cache;
    r.report_tokens = true;
    return read(*scheduler.submit(r));
  };
  const Outcome first = ask(1, true, "3:0.3");
  EXPECT_EQ(first.end.cached_tokens, 0);
  const Outcome second = ask(2, true, "3:0.3"), fresh = ask(2, false, "3:0.3");
  EXPECT_EQ(second.end.cached_tokens, 400);
  EXPECT_EQ(fresh.end.cached_tokens, 0);
  EXPECT_EQ(second.tokens, fresh.tokens);
  EXPECT_EQ(second.end.tokens->depths, fresh.end.tokens->depths);
  EXPECT_EQ(second.end.tokens->revivals.size(), fresh.end.tokens->revivals.size());
  EXPECT_NEAR(fresh.end.statistics.computed_fraction - second.end.statistics.computed_fraction,
              400.0 * 3 / (415.0 * 5), 1e-9);
  // A schedule that cuts later may use it, one that cuts earlier may not.
  EXPECT_EQ(ask(4, true, "4:0.5").end.cached_tokens, 400);
  EXPECT_EQ(ask(5, true, "1:0.5").end.cached_tokens, 0);
  // The next turn: the whole conversation so far stands in the cache.
  auto turn = document;
  const auto question = random_tokens(15, 2), more = random_tokens(9, 6);
  turn.insert(turn.end(), question.begin(), question.end());
  turn.insert(turn.end(), second.tokens.begin(), second.tokens.end() - 1);
  turn.insert(turn.end(), more.begin(), more.end());
  AnswerRequest r = request(turn, 8, "lazy", "3:0.3");
  const Outcome cached = read(*scheduler.submit(r));
  EXPECT_EQ(cached.end.cached_tokens, 415 + 11);
  EXPECT_EQ(cached.tokens, alone(r).tokens);
  EXPECT_GE(scheduler.metrics().snapshot_hits, 3u);
  EXPECT_GT(scheduler.metrics().snapshot_bytes, 0u);
}

TEST(Scheduler, ChoicesOfOnePromptShareItsPrefillAndNoBitOfTheirAnswers) {
  for (const std::string policy : {"lazy", "dense", "gem", "random"}) {
    SCOPED_TRACE(policy);
    Scheduler scheduler(tiny_model(), {.parallel = 4, .cache_bytes = 64 << 20});
    std::vector<AnswerRequest> choices;
    for (uint64_t i = 0; i < 4; ++i) {
      choices.push_back(request(random_tokens(1500), 20, policy, policy == "lazy" ? "2:0.4" : ""));
      choices.back().generation.sampling.seed = i;
    }
    // They share if all come while the first is in its prefill, which a busy machine may prevent.
    bool shared = false;
    for (int tries = 0; tries < 50 && !shared; ++tries) {
      std::vector<std::unique_ptr<Answer>> answers;
      for (const AnswerRequest& choice : choices) answers.push_back(scheduler.submit(choice));
      shared = true;
      for (size_t i = 0; i < answers.size(); ++i) {
        const Outcome outcome = read(*answers[i]);
        Statistics statistics;
        EXPECT_EQ(outcome.tokens, alone(choices[i], &statistics).tokens);
        EXPECT_EQ(outcome.end.statistics.kept_per_layer, statistics.kept_per_layer);
        EXPECT_EQ(outcome.end.statistics.revived_tokens, statistics.revived_tokens);
        if (i > 0 && outcome.end.cached_tokens < 1500) shared = false;
        if (i > 0 && outcome.end.cached_tokens == 1500) {
          EXPECT_EQ(outcome.end.statistics.computed_fraction, 0.0);
        }
      }
    }
    EXPECT_TRUE(shared);
    wait_until_idle(scheduler);
  }
}

TEST(Scheduler, WhoWaitedForAPrefillThatEndsTooSoonComputesIt) {
  Scheduler scheduler(tiny_model(), {.parallel = 3});
  const AnswerRequest wanted = request(random_tokens(1800), 6);
  auto first = scheduler.submit(wanted), second = scheduler.submit(wanted);
  auto third = scheduler.submit(wanted);
  first->cancel();
  const GenerationResult expected = alone(wanted);
  EXPECT_EQ(read(*second).tokens, expected.tokens);
  EXPECT_EQ(read(*third).tokens, expected.tokens);
  wait_until_idle(scheduler);
}

TEST(Scheduler, SnapshotsOutliveARestart) {
  const auto folder = lazy::temporary_model_path().replace_extension(".cache");
  std::vector<std::string> messages;
  SchedulerOptions options{.parallel = 1, .cache_bytes = 64 << 20};
  options.cache_folder = folder;
  options.on_message = [&](const std::string& message) { messages.push_back(message); };
  auto prompt = random_tokens(300, 4);
  read(*Scheduler(tiny_model(), options).submit(request(prompt, 5, "lazy", "3:0.3")));
  const auto files = [&] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      paths.push_back(entry.path());
    }
    return paths;
  };
  ASSERT_EQ(files().size(), 1u);
  prompt.push_back(5);
  const AnswerRequest more = request(prompt, 9, "lazy", "3:0.3");
  {
    Scheduler second(tiny_model(), options);
    EXPECT_EQ(second.metrics().snapshots, 1u);
    const Outcome outcome = read(*second.submit(more));
    EXPECT_EQ(outcome.end.cached_tokens, 300);
    EXPECT_EQ(outcome.tokens, alone(more).tokens);
  }
  EXPECT_TRUE(messages.empty());
  // Other cache types, then a byte changed in the middle: told, and not used.
  {
    SchedulerOptions other = options;
    other.cache_type_k = CacheType::f32;
    EXPECT_EQ(Scheduler(tiny_model(), other).metrics().snapshots, 0u);
  }
  EXPECT_EQ(messages.size(), files().size());
  for (const auto& path : files()) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2));
    file.put('x').put('y');
  }
  messages.clear();
  EXPECT_EQ(Scheduler(tiny_model(), options).metrics().snapshots, 0u);
  ASSERT_FALSE(messages.empty());
  EXPECT_NE(messages.front().find("checksum"), std::string::npos) << messages.front();
  for (const auto& path : files()) std::filesystem::resize_file(path, 100);
  EXPECT_EQ(Scheduler(tiny_model(), options).metrics().snapshots, 0u);
  std::filesystem::remove_all(folder);
}

TEST(Scheduler, AfterARestartTheLeastRecentlyUsedSnapshotGoesFirst) {
  const auto folder = lazy::temporary_model_path().replace_extension(".cache");
  const auto ask = [](unsigned document) {
    return request(random_tokens(400, static_cast<int>(document)), 2, "lazy", "3:0.3");
  };
  SchedulerOptions options{.parallel = 1, .cache_bytes = 64 << 20};
  options.cache_folder = folder;
  {
    Scheduler first(tiny_model(), options);
    for (const unsigned document : {1u, 2u, 3u}) read(*first.submit(ask(document)));
    EXPECT_GT(read(*first.submit(ask(1))).end.cached_tokens, 0);  // 2 is the oldest now
    options.cache_bytes = first.metrics().snapshot_bytes;         // room for three
  }
  for (int life = 0; life < 2; ++life) {  // the order lasts over a life without requests, too
    Scheduler idle(tiny_model(), options);
    EXPECT_EQ(idle.metrics().snapshots, 3u);
  }
  {  // a scheduler that lives may still be writing into its folder
    Scheduler second(tiny_model(), options);
    read(*second.submit(ask(4)));  // drops one
    EXPECT_GT(read(*second.submit(ask(1))).end.cached_tokens, 0);
    EXPECT_GT(read(*second.submit(ask(3))).end.cached_tokens, 0);
    EXPECT_EQ(read(*second.submit(ask(2))).end.cached_tokens, 0);
  }
  std::filesystem::remove_all(folder);
}

TEST(Scheduler, TheCacheKeepsWithinItsBudget) {
  constexpr uint64_t kBudget = 1 << 20;
  Scheduler scheduler(tiny_model(), {.parallel = 2, .cache_bytes = kBudget});
  for (int i = 0; i < 20; ++i) {
    read(*scheduler.submit(request(random_tokens(600, i + 50), 2)));
    EXPECT_LE(scheduler.metrics().snapshot_bytes, kBudget);
  }
  EXPECT_GE(scheduler.metrics().snapshots, 1u);
}

TEST(Scheduler, MemoryIsPromisedBeforeItIsUsed) {
  const Scheduler measure(tiny_model(), {.parallel = 1, .context = 256});
  const uint64_t one = measure.options().kv_bytes;
  Scheduler scheduler(tiny_model(), {.parallel = 4, .context = 2048, .kv_bytes = one * 2});
  try {
    scheduler.submit(request(random_tokens(1000), 900));
    FAIL() << "more than there is was promised";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::context_full);
    EXPECT_NE(std::string(error.what()).find("MiB"), std::string::npos);
  }
  // Two fit at a time; the others wait and come to their turn.
  std::vector<std::unique_ptr<Answer>> answers;
  for (int i = 0; i < 6; ++i)
    answers.push_back(scheduler.submit(request(random_tokens(200, i), 56)));
  for (auto& answer : answers) {
    EXPECT_EQ(read(*answer).tokens.size(), 56u);
    EXPECT_LE(scheduler.metrics().kv_bytes_reserved, one * 2);
  }
  wait_until_idle(scheduler);
}

TEST(Scheduler, RefusesWhatItCannotServe) {
  Scheduler scheduler(tiny_model(), {.parallel = 1, .context = 300, .max_queue = 2});
  const auto code = [&](AnswerRequest r) {
    try {
      scheduler.submit(std::move(r));
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code(request({}, 5)), ErrorCode::invalid_input);
  EXPECT_EQ(code(request({1, 64}, 5)), ErrorCode::invalid_input);
  EXPECT_EQ(code(request({-1}, 5)), ErrorCode::invalid_input);
  EXPECT_EQ(code(request(random_tokens(301), 5)), ErrorCode::context_full);
  EXPECT_EQ(code(request({1}, 5, "lazy", "9:0.5")), ErrorCode::usage);
  EXPECT_EQ(code(request({1}, 5, "nonesuch", "")), ErrorCode::usage);
  AnswerRequest hot = request({1}, 5);
  hot.generation.sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(code(hot), ErrorCode::usage);
  // The context ends an answer.
  EXPECT_EQ(read(*scheduler.submit(request(random_tokens(298), 100))).tokens.size(), 3u);

  std::vector<std::unique_ptr<Answer>> answers;
  ErrorCode refused = ErrorCode::internal;
  for (int i = 0; i < 4 && refused == ErrorCode::internal; ++i) {
    try {
      answers.push_back(scheduler.submit(request(random_tokens(100, i), 200)));
    } catch (const Error& error) {
      refused = error.code();
    }
  }
  EXPECT_EQ(refused, ErrorCode::overloaded);
  EXPECT_EQ(scheduler.metrics().refused, 1u);
}

TEST(Scheduler, WhoeverGoesAwayFreesItsSlot) {
  Scheduler scheduler(tiny_model(), {.parallel = 2});
  auto running = scheduler.submit(request(random_tokens(100), 1900));
  auto prefilling = scheduler.submit(request(random_tokens(1900, 2), 100));
  auto waiting = scheduler.submit(request(random_tokens(50, 3), 10));
  while (true) {
    const auto event = running->wait(60s);
    ASSERT_TRUE(event);
    if (std::holds_alternative<AnswerToken>(*event)) break;
  }
  running->cancel();
  EXPECT_EQ(read(*running).end.reason, FinishReason::cancelled);
  prefilling.reset();
  waiting.reset();
  wait_until_idle(scheduler);
  EXPECT_EQ(read(*scheduler.submit(request(random_tokens(20), 4))).tokens.size(), 4u);
}

TEST(Scheduler, DrainLetsAnswersEndAndCutsWhatTakesTooLong) {
  Scheduler scheduler(tiny_model(), {.parallel = 2});
  auto quick = scheduler.submit(request(random_tokens(20), 5));
  scheduler.drain(60s);
  EXPECT_EQ(read(*quick).tokens.size(), 5u);
  EXPECT_THROW(scheduler.submit(request(random_tokens(20), 5)), Error);

  auto cut = std::make_unique<Scheduler>(tiny_model(), SchedulerOptions{.parallel = 1});
  auto slow = cut->submit(request(random_tokens(20), 2000));
  auto never = cut->submit(request(random_tokens(20), 2000));
  cut->drain(1ms);
  EXPECT_EQ(read(*slow).end.reason, FinishReason::cancelled);
  cut.reset();
  EXPECT_EQ(read(*never).end.reason, FinishReason::cancelled);
}

/// Allows even tokens only, and after six of them only token 1.
class EvenTokens : public TokenConstraint {
 public:
  void restrict(std::span<float> logits) override {
    for (size_t i = 0; i < logits.size(); ++i) {
      if (accepted_ < 6 ? i % 2 == 1 : i != 1) logits[i] = -std::numeric_limits<float>::infinity();
    }
  }
  void accept(TokenId) override { ++accepted_; }

 private:
  int accepted_ = 0;
};

TEST(Scheduler, ConstraintsAndLogProbabilities) {
  Scheduler scheduler(tiny_model(), {.parallel = 1});
  AnswerRequest r = request(random_tokens(60), 8);
  r.constraint = std::make_shared<EvenTokens>();
  r.top_logprobs = 64;
  const Outcome outcome = read(*scheduler.submit(r));
  ASSERT_EQ(outcome.tokens.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(outcome.tokens[i] % 2, i < 6 ? 0 : 1);
    double sum = 0.0;
    const AnswerToken& event = outcome.events[i];
    for (size_t k = 0; k < event.top.size(); ++k) {
      sum += std::exp(event.top[k].logprob);
      if (k > 0) {
        EXPECT_LE(event.top[k].logprob, event.top[k - 1].logprob);
      }
      if (event.top[k].token == event.token) {
        EXPECT_EQ(event.top[k].logprob, event.logprob);
      }
    }
    EXPECT_NEAR(sum, 1.0, 1e-4);
  }
}

TEST(Scheduler, LogProbabilitiesOfAPromptAreAJobLikeAnyOther) {
  Scheduler scheduler(tiny_model(), {.parallel = 2, .cache_bytes = 1 << 20});
  AnswerRequest r = request(random_tokens(700), 0);
  r.prompt_logprobs = 3;
  Session session(tiny_model());
  std::vector<float> expected;
  std::vector<int32_t> positions(699);
  std::iota(positions.begin(), positions.end(), 0);
  session.logits(r.prompt, positions, [&](int64_t position, std::span<const float> logits) {
    const auto next = static_cast<size_t>(r.prompt[static_cast<size_t>(position) + 1]);
    double sum = 0.0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    expected.push_back(static_cast<float>(logits[next] - std::log(sum)));
  });
  read(*scheduler.submit(request(r.prompt, 3)));  // leaves a snapshot, which is not used here
  auto beside = scheduler.submit(request(random_tokens(200, 3), 50));
  const Outcome outcome = read(*scheduler.submit(r));
  EXPECT_TRUE(outcome.tokens.empty());
  ASSERT_EQ(outcome.end.prompt_logprobs.size(), 700u);
  EXPECT_TRUE(std::isnan(outcome.end.prompt_logprobs[0].logprob));
  for (size_t i = 1; i < 700; ++i) {
    const AnswerToken& token = outcome.end.prompt_logprobs[i];
    EXPECT_EQ(token.token, r.prompt[i]);
    EXPECT_NEAR(token.logprob, expected[i - 1], 1e-5);
    ASSERT_EQ(token.top.size(), 3u);
    EXPECT_GE(token.top[0].logprob, token.logprob);
  }
  EXPECT_EQ(read(*beside).tokens, alone(request(random_tokens(200, 3), 50)).tokens);
  // Behind answers that hold both places: the job alone may be over before it is cancelled.
  auto first = scheduler.submit(request(random_tokens(100, 4), 400));
  auto second = scheduler.submit(request(random_tokens(100, 5), 400));
  auto cancelled = scheduler.submit(r);
  cancelled->cancel();
  EXPECT_EQ(read(*cancelled).end.reason, FinishReason::cancelled);
  first->cancel();
  second->cancel();
  AnswerRequest too_large = r;
  too_large.prompt_logprobs = 1 << 30;
  EXPECT_THROW(scheduler.submit(too_large), Error);  // its memory is promised, too
}

TEST(Scheduler, AnEmbeddingIsAJobLikeAnyOther) {
  Scheduler scheduler(tiny_model(), {.parallel = 2, .cache_bytes = 1 << 20});
  const auto embedding = [&](const std::vector<TokenId>& tokens, Pooling pooling) {
    AnswerRequest r = request(tokens, 0);
    r.pooling = pooling;
    return read(*scheduler.submit(r)).end.embedding;
  };
  const std::vector<TokenId> tokens = random_tokens(40);
  read(*scheduler.submit(request(tokens, 3)));  // leaves a snapshot, which is not used here
  // No token sees those after it: the mean is that of all beginnings' last ones.
  std::vector<double> sum;
  for (size_t size = 1; size <= tokens.size(); ++size) {
    const auto last =
        embedding({tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(size)}, Pooling::last);
    sum.resize(last.size());
    for (size_t i = 0; i < last.size(); ++i) sum[i] += static_cast<double>(last[i]);
  }
  ASSERT_EQ(static_cast<int>(sum.size()), tiny_model()->info().hidden_size);
  const std::vector<float> mean = embedding(tokens, Pooling::mean);
  for (size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(mean[i], sum[i] / 40.0, 1e-5);
  // Beside an answer, whose bits do not change, in tiles that both share.
  const std::vector<TokenId> long_prompt = random_tokens(900, 5);
  const std::vector<float> quiet = embedding(long_prompt, Pooling::mean);
  auto beside = scheduler.submit(request(random_tokens(200, 3), 50));
  EXPECT_EQ(embedding(long_prompt, Pooling::mean), quiet);
  EXPECT_EQ(read(*beside).tokens, alone(request(random_tokens(200, 3), 50)).tokens);
  AnswerRequest both = request(tokens, 1);
  both.pooling = Pooling::last;
  EXPECT_THROW(scheduler.submit(both), Error);
}

TEST(Scheduler, ReportsHowDeepTokensWereCarried) {
  Scheduler scheduler(tiny_model(), {.parallel = 1});
  AnswerRequest r = request(random_tokens(120), 10, "lazy", "2:0.3");
  r.report_tokens = true;
  r.generation.protected_ranges = {{10, 20}};
  const Outcome outcome = read(*scheduler.submit(r));
  const TokenReport& report = *outcome.end.tokens;
  ASSERT_EQ(report.depths.size(), 120u);
  int64_t whole = 0;
  for (const int depth : report.depths) {
    EXPECT_TRUE(depth == 2 || depth == 5);
    whole += depth == 5 ? 1 : 0;
  }
  EXPECT_EQ(whole, outcome.end.statistics.kept_per_layer.back());
  for (size_t token = 10; token < 20; ++token) EXPECT_EQ(report.depths[token], 5);
  EXPECT_GT(report.revivals.size(), 0u);
  for (const TokenReport::Revival& revival : report.revivals) {
    EXPECT_EQ(report.depths[static_cast<size_t>(revival.token)], 2);
    EXPECT_EQ(revival.depth, 5);
    EXPECT_GE(revival.step, 1);
    EXPECT_LT(revival.step, 10);
  }
}

}  // namespace
}  // namespace lazyllm
