// SPDX-License-Identifier: Apache-2.0
// Snapshots that outlive their process: what is found again, by whom, and that it changes no bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/answers_for_tests.h"
#include "lazyllm/library.h"

namespace lazyllm {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
namespace fs = std::filesystem;
using Kind = LibraryEntry::Kind;

std::shared_ptr<const Model> tiny_model(uint64_t seed = 1) {
  static const std::shared_ptr<const Model> model = load_tiny_model({.context = 1024});
  static const std::shared_ptr<const Model> other = load_tiny_model({.layers = 5, .context = 1024});
  return seed == 1 ? model : other;
}

class SnapshotLibraryTest : public testing::Test {
 protected:
  ~SnapshotLibraryTest() override { fs::remove_all(folder_); }

  std::shared_ptr<Library> open(uint64_t most_bytes = 64 << 20) {
    return std::make_shared<Library>(LibraryOptions{
        folder_, most_bytes, [this](const std::string& text) { messages_.push_back(text); }});
  }
  SchedulerOptions with_library(uint64_t cache_bytes = 64 << 20) {
    SchedulerOptions options{.parallel = 2, .cache_bytes = cache_bytes};
    options.library = open();
    return options;
  }
  std::vector<LibraryEntry> snapshots() { return open()->entries(Kind::snapshot); }

  fs::path folder_ = lazy::temporary_model_path().replace_extension(".library");
  std::vector<std::string> messages_;
};

AnswerRequest question_about(const std::vector<TokenId>& document, unsigned question,
                             int64_t max_tokens = 6) {
  std::vector<TokenId> prompt = document;
  const std::vector<TokenId> words = random_tokens(9, question);
  prompt.insert(prompt.end(), words.begin(), words.end());
  AnswerRequest asked = request(std::move(prompt), max_tokens);
  asked.top_logprobs = 5;
  return asked;
}

void expect_same(const Outcome& a, const Outcome& b) {
  ASSERT_FALSE(a.end.error);
  ASSERT_EQ(a.tokens, b.tokens);
  for (size_t i = 0; i < b.events.size(); ++i) {
    ASSERT_EQ(a.events[i].logprob, b.events[i].logprob) << "token " << i;
  }
}

void wait_until_settled(const Scheduler& scheduler) {
  for (int tries = 0; !scheduler.metrics().settled && tries < 2000; ++tries) {
    std::this_thread::sleep_for(5ms);
  }
  ASSERT_TRUE(scheduler.metrics().settled);
}

Outcome without_cache(AnswerRequest asked) {
  Scheduler plain(tiny_model(), {.parallel = 1});
  asked.use_cache = false;
  return read(*plain.submit(asked));
}

TEST_F(SnapshotLibraryTest, ARestartFindsWhatWasRead) {
  const std::vector<TokenId> document = random_tokens(150);
  read(*Scheduler(tiny_model(), with_library()).submit(question_about(document, 1)));
  EXPECT_THAT(snapshots(), SizeIs(1));
  Scheduler again(tiny_model(), with_library());
  const Outcome outcome = read(*again.submit(question_about(document, 2)));
  EXPECT_GE(outcome.end.cached_tokens, 145);
  expect_same(outcome, without_cache(question_about(document, 2)));
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(SnapshotLibraryTest, AnotherModelOrTypeOfCacheFindsNothing) {
  const std::vector<TokenId> document = random_tokens(150);
  read(*Scheduler(tiny_model(), with_library()).submit(question_about(document, 1)));
  Scheduler other(tiny_model(2), with_library());
  EXPECT_EQ(read(*other.submit(question_about(document, 1))).end.cached_tokens, 0);
  SchedulerOptions options = with_library();
  options.cache_type_k = CacheType::f32;
  Scheduler typed(tiny_model(), options);
  EXPECT_EQ(read(*typed.submit(question_about(document, 1))).end.cached_tokens, 0);
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(SnapshotLibraryTest, HoldsMoreThanTheMemory) {
  std::vector<std::vector<TokenId>> documents;
  for (unsigned i = 0; i < 6; ++i) documents.push_back(random_tokens(300, 50 + i));
  Scheduler scheduler(tiny_model(), with_library(100 << 10));  // a snapshot or two in memory
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < documents.size(); ++i) {
      const AnswerRequest asked = question_about(documents[i], static_cast<unsigned>(round + 1));
      const Outcome outcome = read(*scheduler.submit(asked));
      expect_same(outcome, without_cache(asked));
      if (round > 0) {
        EXPECT_GE(outcome.end.cached_tokens, 290) << i;
      }
      wait_until_settled(scheduler);
    }
  }
  EXPECT_LE(scheduler.metrics().snapshot_bytes, uint64_t{100} << 10);
}

TEST_F(SnapshotLibraryTest, AConversationLeavesItsLongestSnapshotOnly) {
  std::vector<TokenId> conversation = random_tokens(100);
  {
    Scheduler scheduler(tiny_model(), with_library());
    for (unsigned turn = 0; turn < 3; ++turn) {
      const Outcome outcome = read(*scheduler.submit(request(conversation, 3)));
      wait_until_settled(scheduler);
      conversation.insert(conversation.end(), outcome.tokens.begin(), outcome.tokens.end());
      const std::vector<TokenId> more = random_tokens(90, 60 + turn);
      conversation.insert(conversation.end(), more.begin(), more.end());
    }
  }
  const std::vector<LibraryEntry> held = snapshots();
  ASSERT_THAT(held, SizeIs(1));
  EXPECT_GE(held[0].tokens.size(), 280u);
}

TEST_F(SnapshotLibraryTest, QuestionsAboutADocumentLeaveItOnce) {
  const std::vector<TokenId> document = random_tokens(200);
  Scheduler scheduler(tiny_model(), with_library());
  for (unsigned question = 1; question < 5; ++question) {
    read(*scheduler.submit(question_about(document, question)));
    wait_until_settled(scheduler);
  }
  EXPECT_THAT(snapshots(), SizeIs(1));
}

TEST_F(SnapshotLibraryTest, ADamagedSnapshotIsPutAsideAndTold) {
  const std::vector<TokenId> document = random_tokens(150);
  read(*Scheduler(tiny_model(), with_library()).submit(question_about(document, 1)));
  for (const auto& file : fs::directory_iterator(folder_ / "snapshots")) {
    fs::resize_file(file.path(), file.file_size() - 3);
  }
  Scheduler again(tiny_model(), with_library());
  const Outcome outcome = read(*again.submit(question_about(document, 2)));
  EXPECT_EQ(outcome.end.cached_tokens, 0);
  expect_same(outcome, without_cache(question_about(document, 2)));
  EXPECT_THAT(messages_, ElementsAre(HasSubstr("put aside")));
}

// --- sessions

SessionOptions session_options() {
  SessionOptions options;
  options.pruning = pruning("lazy", "2:0.4");
  return options;
}

GenerationOptions greedy() {
  GenerationOptions options;
  options.sampling.temperature = 0.0f;
  options.max_tokens = 8;
  return options;
}

TEST_F(SnapshotLibraryTest, SessionsShareIt) {
  const std::vector<TokenId> document = random_tokens(150);
  const auto answer = [&](unsigned question, std::shared_ptr<Library> library, double* computed) {
    SessionOptions options = session_options();
    options.library = std::move(library);
    Session session(tiny_model(), options);
    const auto tokens =
        session.generate(question_about(document, question).prompt, greedy()).tokens;
    *computed = session.statistics().computed_fraction;
    return tokens;
  };
  double first = 0, later = 0, bare = 0;
  answer(1, open(), &first);
  const auto tokens = answer(2, open(), &later);
  EXPECT_EQ(tokens, answer(2, nullptr, &bare));
  EXPECT_EQ(first, bare);
  EXPECT_LT(later, 0.8 * bare);
  EXPECT_THAT(messages_, IsEmpty());
}

TEST(SessionReadAhead, ChangesNoBitAndIsUsed) {
  const std::vector<TokenId> document = random_tokens(150);
  const std::vector<TokenId> prompt = question_about(document, 3).prompt;
  Session bare(tiny_model(), session_options()), session(tiny_model(), session_options());
  const auto expected = bare.generate(prompt, greedy()).tokens;
  ASSERT_TRUE(session.read_ahead(document));
  EXPECT_EQ(session.size(), 0);
  EXPECT_EQ(session.generate(prompt, greedy()).tokens, expected);
  EXPECT_LT(session.statistics().computed_fraction, 0.8 * bare.statistics().computed_fraction);
  // The next turn goes on from the deep state as ever.
  std::vector<TokenId> next = prompt;
  next.insert(next.end(), expected.begin(), expected.end());
  const std::vector<TokenId> words = random_tokens(9, 5);
  next.insert(next.end(), words.begin(), words.end());
  EXPECT_EQ(session.generate(next, greedy()).tokens, bare.generate(next, greedy()).tokens);
  // Begun again: what was read ahead is still there.
  session.reset();
  bare.reset();
  EXPECT_EQ(session.generate(prompt, greedy()).tokens, bare.generate(prompt, greedy()).tokens);
  EXPECT_LT(session.statistics().computed_fraction, 0.8 * bare.statistics().computed_fraction);
}

}  // namespace
}  // namespace lazyllm
