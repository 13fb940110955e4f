// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/needle.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "evaluation/needle_texts.h"
#include "evaluation/sentences.h"
#include "evaluation/words.h"

namespace lazyllm::evaluation {
namespace {

/// Sentences of different lengths, all different.
std::string book(int sentences = 400) {
  std::string text;
  for (int i = 0; i < sentences; ++i) {
    text += fmt::format("This is sentence number {}", i);
    for (int word = 0; word < i % 7; ++word) text += " and more";
    text += i % 10 == 9 ? ".\n\n" : ". ";
  }
  return text;
}

/// A word is a token; 10 for what stands around it.
int64_t count_words(const std::string& prompt, const std::string& prefix) {
  return 10 + static_cast<int64_t>(split_words(prompt).size() + split_words(prefix).size());
}

size_t occurrences(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size())
    ++count;
  return count;
}

TEST(Needle, EveryCellOfTheGridKeepsItsLengthAndDepth) {
  NeedleOptions options;
  options.lengths = {200, 900};
  options.depths = {0, 30, 100};
  options.trials = 2;
  const std::string text = book();
  const auto tasks = make_needle_tasks(options, text, count_words);
  ASSERT_EQ(tasks.size(), 3u);
  for (const Task& task : tasks) {
    ASSERT_EQ(task.records.size(), 12u);
    for (const Record& r : task.records) {
      const int64_t tokens = count_words(r.prompt, r.answer_prefix);
      EXPECT_LE(tokens, r.length);
      EXPECT_GT(tokens, r.length - 40) << "another sentence would fit";
      ASSERT_EQ(r.answers.size(), task.name == "several" ? 4u : 1u);
      for (const std::string& answer : r.answers) {
        EXPECT_EQ(occurrences(r.prompt, answer), 1u);
        EXPECT_EQ(occurrences(text, answer), 0u);
        EXPECT_EQ(occurrences(r.gold, answer), 1u);
      }
      // Where the first needle stands in the text between introduction and question.
      const size_t begin = kNeedleIntroduction.size(), end = r.prompt.rfind("\n\n");
      const double at = 100.0 * static_cast<double>(r.prompt.find(r.answers[0]) - begin) /
                        static_cast<double>(end - begin);
      EXPECT_NEAR(at, *r.depth, r.length == 200 ? 15.0 : 5.0) << r.id;
      EXPECT_EQ(r.kind, task.name);
    }
  }
}

TEST(Needle, IsReproducible) {
  NeedleOptions options;
  const std::string text = book(3000);
  const auto prompts = [&](uint64_t seed, const std::vector<NeedleKind>& kinds) {
    options.seed = seed;
    options.kinds = kinds;
    std::vector<std::string> result;
    for (const Task& task : make_needle_tasks(options, text, count_words)) {
      for (const Record& record : task.records) result.push_back(record.prompt);
    }
    return result;
  };
  const auto all = prompts(1, {NeedleKind::paraphrased, NeedleKind::several});
  EXPECT_EQ(all, prompts(1, {NeedleKind::paraphrased, NeedleKind::several}));
  EXPECT_NE(all, prompts(2, {NeedleKind::paraphrased, NeedleKind::several}));
  const auto one = prompts(1, {NeedleKind::several});
  EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + 15)) << "whatever runs beside it";
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
}

TEST(Needle, SeveralLieApart) {
  NeedleOptions options;
  options.kinds = {NeedleKind::several};
  options.lengths = {1000};
  options.depths = {50};
  const std::string text = book();
  const Record r = make_needle_tasks(options, text, count_words)[0].records[0];
  const auto share = [&](size_t i) {
    return static_cast<double>(r.prompt.find(r.answers[i])) / static_cast<double>(r.prompt.size());
  };
  EXPECT_NEAR(share(0), 0.5, 0.06);
  EXPECT_NEAR(share(1), 0.75, 0.06);
  EXPECT_NEAR(share(2), 0.0, 0.06);
  EXPECT_NEAR(share(3), 0.25, 0.06);
}

TEST(Needle, AParaphraseSharesNoContentWord) {
  const std::set<std::string> function_words = {"the",  "a",    "of",  "to",   "in",  "on",  "at",
                                                "with", "his",  "her", "for",  "it",  "is",  "what",
                                                "how",  "many", "was", "that", "did", "were"};
  for (const NeedleWording& wording : kParaphrasedNeedles) {
    const auto words = [&](std::string_view text) {
      std::set<std::string> result;
      const std::string normal = normalize_answer(text);
      for (const auto word : split_words(normal)) {
        // "value" stands for the number.
        if (word != "value" && !function_words.contains(std::string(word))) result.emplace(word);
      }
      return result;
    };
    const auto hidden = words(wording.needle);
    auto asked = words(wording.question);
    asked.merge(words(wording.answer_prefix));
    EXPECT_GE(hidden.size(), 4u);
    for (const std::string& word : asked) EXPECT_FALSE(hidden.contains(word)) << word;
  }
}

TEST(Needle, RefusesWhatCannotBe) {
  NeedleOptions options;
  options.lengths = {1000};
  options.depths = {50};
  EXPECT_THROW(make_needle_tasks(options, "", count_words), Error);
  EXPECT_THROW(make_needle_tasks(options, "Short. Very short.", count_words), Error);
  options.lengths = {20};
  EXPECT_THROW(make_needle_tasks(options, book(), count_words), Error);
  options.lengths = {1000};
  options.depths = {101};
  EXPECT_THROW(make_needle_tasks(options, book(), count_words), Error);
}

TEST(Sentences, AreCutBehindTheirEndsAndLoseNothing) {
  const std::string text =
      "Mr. J. Smith said: \u201cGo!\u201d He went.\n\nDid (he?) \"No.\" St. Petersburgh, Dec. "
      "11th. 3.5 is";
  const auto sentences = split_sentences(text);
  std::string all;
  for (const auto sentence : sentences) all += sentence;
  EXPECT_EQ(all, text);
  const std::vector<std::string_view> wanted = {"Mr. J. Smith said: \u201cGo!\u201d ",
                                                "He went.\n\n",
                                                "Did (he?) ",
                                                "\"No.\" ",
                                                "St. Petersburgh, Dec. ",
                                                "11th. ",
                                                "3.5 is"};
  EXPECT_EQ(sentences, wanted);
  EXPECT_TRUE(split_sentences("").empty());
  EXPECT_EQ(collapse_white_space("  a \n\n b\t"), "a b");
  EXPECT_EQ(enumerate({"a"}), "a");
  EXPECT_EQ(enumerate({"a", "b"}), "a and b");
  EXPECT_EQ(enumerate({"a", "b", "c"}), "a, b, and c");
}

}  // namespace
}  // namespace lazyllm::evaluation
