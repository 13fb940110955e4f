// SPDX-License-Identifier: Apache-2.0
// The law of the cache: whatever came before, at whatever schedule, cancelled or not, over a
// restart or not, drafted or not: an answer is the one without cache and without drafts, token by
// token and bit by bit in its logits.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "engine/answers_for_tests.h"
#include "lazyllm/library.h"

namespace lazyllm {
namespace {

using namespace std::chrono_literals;

constexpr int kLayers = 6;

std::shared_ptr<const Model> law_model() {
  static const std::shared_ptr<const Model> model =
      load_tiny_model({.layers = kLayers, .context = 1024});
  return model;
}

/// Five layers more, which read keys and values of the last two of the six; per-layer embeddings.
std::shared_ptr<const Model> shared_kv_model() {
  static const std::shared_ptr<const Model> model =
      load_tiny_model({.layers = kLayers, .context = 1024, .shared_kv_layers = 5});
  return model;
}

/// Requests over a few documents, their beginnings, and their like with an edit in the middle.
class RandomRequests {
 public:
  explicit RandomRequests(uint64_t seed) : random_(seed) {
    for (int i = 0; i < 3; ++i) {
      // One that is long enough for chunks of sparse attention.
      const int64_t size = i == 0 ? 930 + number(30) : 200 + number(400);
      documents_.push_back(
          random_tokens(static_cast<int>(size), static_cast<int>(number(1 << 20))));
    }
  }

  int64_t number(int64_t below) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(below));
  }

  AnswerRequest next() {
    AnswerRequest r;
    std::vector<TokenId>& document =
        documents_[static_cast<size_t>(number(std::ssize(documents_)))];
    if (number(5) == 0) document[static_cast<size_t>(number(std::ssize(document)))] = 3;
    const int64_t parts = std::ssize(document) < 900 ? 8 : 64;
    r.prompt.assign(document.begin(), document.end() - number(4) * std::ssize(document) / parts);
    const std::vector<TokenId> question =
        random_tokens(1 + number(30), static_cast<int>(number(99)));
    r.prompt.insert(r.prompt.end(), question.begin(), question.end());
    r.generation.max_tokens = 1 + number(12);
    if (number(2) == 0) r.generation.prompt_lookup_num_tokens = static_cast<int>(1 + number(6));
    r.generation.sampling.temperature = number(2) == 0 ? 0.0f : 0.8f;
    r.generation.sampling.seed = static_cast<uint64_t>(number(100));
    r.top_logprobs = 64;  // all of the vocabulary
    r.pruning = pruning();
    r.use_cache = number(8) != 0;
    if (number(3) == 0) r.prefill = Prefill::soonest;
    if (number(8) == 0) r.generation.max_tokens = 0;  // reads ahead
    if (number(3) == 0) r.generation.protected_ranges = {{20, 40}, {60, 61}};
    return r;
  }

 private:
  PruningOptions pruning() {
    static const char* const kPolicies[] = {"lazy", "lazy",   "lazy", "lazy",   "dense",
                                            "tsp",  "static", "gem",  "random", "compress"};
    static const char* const kScores[] = {"last",         "window:8", "value:4",
                                          "accumulate:2", "peak:2@4", "ahead"};
    PruningOptions options;
    options.policy = kPolicies[number(std::size(kPolicies))];
    options.min_prompt = number(4) == 0 ? 300 : 0;
    options.protect_first = number(3);
    options.protect_last = number(9);
    options.revive_budget = RevivalBudget{number(4) - 1};
    static const char* const kForms[] = {"dense", "sparse:0.2@0", "sparse:0.2@0", "sparse:0.5@0"};
    options.attention = kForms[number(std::size(kForms))];
    const int64_t first = 1 + number(kLayers - 2);
    const double keep = 0.2 + 0.1 * static_cast<double>(number(7));
    if (options.policy == "lazy") {
      options.prune = fmt::format("{}:{:.1f}", first, keep);
      if (number(2) == 0 && first + 1 < kLayers) options.prune += fmt::format(",{}:0.5", first + 1);
      options.score = kScores[number(std::size(kScores))];
      if (number(4) == 0) options.keep_mass = 0.9;
    } else if (options.policy != "dense") {
      const bool before = options.policy == "random" || options.policy == "compress";
      options.prune = fmt::format("{}:{:.1f}", before ? 0 : first, keep);
    }
    return options;
  }

  std::mt19937_64 random_;
  std::vector<std::vector<TokenId>> documents_;
};

void expect_same_bits(const Outcome& cached, const Outcome& alone) {
  ASSERT_FALSE(cached.end.error) << cached.end.error->what();
  ASSERT_EQ(cached.tokens, alone.tokens);
  for (size_t i = 0; i < alone.events.size(); ++i) {
    ASSERT_EQ(cached.events[i].logprob, alone.events[i].logprob) << "token " << i;
    for (size_t k = 0; k < alone.events[i].top.size(); ++k) {
      ASSERT_EQ(cached.events[i].top[k].token, alone.events[i].top[k].token);
      ASSERT_EQ(cached.events[i].top[k].logprob, alone.events[i].top[k].logprob) << "token " << i;
    }
  }
  EXPECT_EQ(cached.end.statistics.kept_per_layer, alone.end.statistics.kept_per_layer);
}

std::string describe(const AnswerRequest& r) {
  return fmt::format("{} {} score {} attention {} of {} tokens", r.pruning.policy, r.pruning.prune,
                     r.pruning.score.value_or("-"), *r.pruning.attention, r.prompt.size());
}

struct LawCounts {
  int64_t hits = 0, instead = 0, drafted = 0, accepted = 0, sparse_hits = 0;
};

void hold_law(const std::shared_ptr<const Model>& model, uint64_t seeds, LawCounts& counts) {
  Scheduler plain(model, {.parallel = 1});
  auto& [hits, instead, drafted, accepted, sparse_hits] = counts;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    const auto folder = lazy::temporary_model_path().replace_extension(".law");
    SchedulerOptions options{.parallel = 3, .cache_bytes = (seed % 3 + 1) << 20};
    const bool with_library = seed % 2 == 1;  // that holds more than the memory
    if (!with_library) options.cache_folder = folder;
    options.deepen_when_idle = seed % 4 < 2;  // shares the cores with `plain`
    RandomRequests requests(seed);
    for (int life = 0; life < 2; ++life) {  // restarted in between
      if (with_library) {
        options.library = std::make_shared<Library>(LibraryOptions{folder, 4 << 20});
      }
      Scheduler cached(model, options);
      for (int round = 0; round < 12; ++round) {
        std::vector<AnswerRequest> wanted;
        std::vector<std::unique_ptr<Answer>> answers;
        const int64_t beside = 1 + requests.number(4);
        for (int64_t i = 0; i < beside; ++i) {
          wanted.push_back(requests.next());
          if (i > 0 && requests.number(4) == 0) wanted.back() = wanted.front();
          answers.push_back(cached.submit(wanted.back()));
        }
        for (size_t i = 0; i < answers.size(); ++i) {
          if (requests.number(6) == 0) {
            if (requests.number(2) == 0) answers[i]->wait(1ms);
            answers[i].reset();  // goes away, in its prefill, later or before
            continue;
          }
          SCOPED_TRACE(
              fmt::format("seed {} life {} round {}: {}", seed, life, round, describe(wanted[i])));
          const Outcome outcome = read(*answers[i]);
          AnswerRequest again = wanted[i];
          again.use_cache = false;
          again.generation.prompt_lookup_num_tokens = 0;
          if (outcome.end.plan.dense_instead) {
            again.pruning = PruningOptions();
            again.pruning.policy = "dense";
            again.pruning.attention = wanted[i].pruning.attention;
          }
          instead += outcome.end.plan.dense_instead ? 1 : 0;
          if (again.generation.max_tokens == 0) continue;
          expect_same_bits(outcome, read(*plain.submit(again)));
          hits += outcome.end.cached_tokens > 0 ? 1 : 0;
          const bool sparse = outcome.end.statistics.attention != "dense";
          sparse_hits += sparse && outcome.end.cached_tokens > 512 ? 1 : 0;
          drafted += outcome.end.statistics.draft_n;
          accepted += outcome.end.statistics.draft_n_accepted;
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
    std::filesystem::remove_all(folder);
  }
}

TEST(CacheLaw, EveryAnswerIsTheOneWithoutCache) {
  LawCounts counts;
  hold_law(law_model(), 12, counts);
  EXPECT_GT(counts.hits, 100);  // the cache was used at all
  EXPECT_GT(counts.sparse_hits, 5);
  EXPECT_GT(counts.instead, 5);
  EXPECT_GT(counts.accepted, 0);  // how many: by what steps take
  EXPECT_GT(counts.drafted, counts.accepted);
}

TEST(CacheLaw, LayersThatReadKeysOfOthersKeepIt) {
  LawCounts counts;
  hold_law(shared_kv_model(), 4, counts);
  EXPECT_GT(counts.hits, 30);
}

TEST(CacheLaw, ADeeperSnapshotDoesNotInheritRowsOfAShallowerOne) {
  Scheduler scheduler(law_model(), {.parallel = 1, .cache_bytes = 64 << 20});
  const std::vector<TokenId> prompt = random_tokens(300);
  const auto ask = [&](const std::string& prune, bool use_cache) {
    AnswerRequest r = request(prompt, 8, "lazy", prune);
    r.use_cache = use_cache;
    r.top_logprobs = 64;
    return read(*scheduler.submit(r));
  };
  ask("2:0.5", true);
  ask("4:0.3", true);
  expect_same_bits(ask("4:0.3", true), ask("4:0.3", false));
}

}  // namespace
}  // namespace lazyllm
