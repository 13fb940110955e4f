// SPDX-License-Identifier: Apache-2.0
// Generation by RULER's rules, with words for tokens; tests/python/test_eval_ruler.py holds the
// program's prompts and scores against the published texts and rules.
#include "lazyllm/evaluation/ruler.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "evaluation/string_match.h"
#include "evaluation/words.h"

namespace lazyllm::evaluation {
namespace {

RulerTemplates templates() {
  return {
      {"niah",
       {"Some special magic {type_needle_v} are hidden.\n{context}\nWhat are all the special magic "
        "{type_needle_v} for {query}?",
        " The special magic {type_needle_v} for {query} are",
        "One of the special magic {type_needle_v} for {key} is: {value}.", "The grass is green.",
        20}},
      {"vt",
       {"Track.\n\n{context}\nFind all variables that are assigned {query}.",
        " Answer: {num_v} variables are assigned {query}: ", "", "", 10}},
      {"cwe", {"Count.\n{context}\nQuestion: which?", " Answer:", "", "", 20}},
      {"fwe", {"Frequency. {context}\nQuestion: which?", " Answer:", "", "", 10}},
  };
}

std::string essay() {
  std::string text;
  for (int i = 0; i < 500; ++i) text += fmt::format("Line {} says little. ", i);
  return text;
}

int64_t count_words(const std::string& prompt, const std::string& prefix) {
  return static_cast<int64_t>(split_words(prompt).size() + split_words(prefix).size());
}

size_t occurrences(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) {
    ++count;
  }
  return count;
}

Task make(const std::string& name, int64_t max_length = 600, uint64_t seed = 42) {
  RulerOptions options;
  options.tasks = {name};
  options.max_length = max_length;
  options.samples = 4;
  options.seed = seed;
  return make_ruler_tasks(options, templates(), essay(), count_words).front();
}

TEST(Ruler, EveryTaskKeepsItsBudgetAndContainsItsAnswers) {
  for (const std::string& name : ruler_task_names()) {
    for (const int64_t max_length : {600, 5000}) {
      const Task task = make(name, max_length);
      ASSERT_EQ(task.records.size(), 4u);
      for (const Record& r : task.records) {
        EXPECT_EQ(r.length, count_words(r.prompt, r.answer_prefix) + task.max_tokens);
        EXPECT_LE(r.length, max_length) << r.id;
        // fwe's words come in steps, cwe's in their repeats.
        EXPECT_GT(r.length, max_length * 9 / 10 - 60) << r.id;
        EXPECT_EQ(r.prompt.find('{'), std::string::npos) << r.prompt.substr(0, 200);
        EXPECT_EQ(r.answer_prefix.find('{'), std::string::npos) << r.answer_prefix;
        EXPECT_FALSE(r.answers.empty());
        for (const std::string& answer : r.answers) {
          EXPECT_GE(occurrences(r.prompt, answer), 1u) << r.id << " " << answer;
        }
        EXPECT_EQ(score_prediction(task, r, r.gold), 1.0);
        EXPECT_EQ(score_prediction(task, r, "nothing"), 0.0);
      }
    }
  }
}

TEST(Ruler, IsReproducible) {
  for (const std::string& name : ruler_task_names()) {
    const Task one = make(name), same = make(name), other = make(name, 600, 43);
    for (size_t i = 0; i < one.records.size(); ++i) {
      EXPECT_EQ(one.records[i].prompt, same.records[i].prompt);
      EXPECT_EQ(one.records[i].answers, same.records[i].answers);
      EXPECT_NE(one.records[i].prompt, other.records[i].prompt);
    }
    EXPECT_NE(one.records[0].prompt, one.records[1].prompt);
  }
}

TEST(Ruler, NeedlesAreAsManyAsTheTaskSays) {
  struct Expected {
    const char* name;
    size_t needles, answers;
  };
  for (const auto& [name, needles, answers] :
       {Expected{"niah_single_1", 1, 1}, Expected{"niah_single_3", 1, 1},
        Expected{"niah_multikey_1", 4, 1}, Expected{"niah_multivalue", 4, 4},
        Expected{"niah_multiquery", 4, 4}}) {
    for (const Record& r : make(name).records) {
      EXPECT_EQ(occurrences(r.prompt, "One of the special magic"), needles) << name;
      EXPECT_EQ(r.answers.size(), answers) << name;
    }
  }
  for (const char* name : {"niah_multikey_2", "niah_multikey_3"}) {
    for (const Record& r : make(name).records) {
      EXPECT_GT(occurrences(r.prompt, "One of the special magic"), 20u) << "all is needles";
      EXPECT_EQ(occurrences(r.prompt, r.answers[0]), 1u);
    }
  }
}

TEST(Ruler, TheTemplateSpeaksOfOne) {
  const Record one = make("niah_single_1").records[0];
  EXPECT_TRUE(one.prompt.starts_with("A special magic number is hidden.\n"));
  EXPECT_NE(one.prompt.find("What is the special magic number for "), std::string::npos);
  EXPECT_NE(one.prompt.find("One of the special magic numbers for "), std::string::npos);
  EXPECT_TRUE(one.answer_prefix.ends_with(" is")) << one.answer_prefix;
  const Record four = make("niah_multiquery").records[0];
  EXPECT_TRUE(four.prompt.starts_with("Some special magic numbers are hidden.\n"));
  EXPECT_EQ(occurrences(four.answer_prefix, ", "), 3u) << four.answer_prefix;
  EXPECT_NE(four.answer_prefix.find(", and "), std::string::npos);
}

TEST(Ruler, TheChainOfVariablesCanBeFollowed) {
  for (const Record& r : make("vt").records) {
    ASSERT_EQ(r.answers.size(), 5u);
    const std::string value = r.answer_prefix.substr(r.answer_prefix.find("assigned ") + 9, 5);
    size_t at = r.prompt.find(fmt::format("VAR {} = {}", r.answers[0], value));
    ASSERT_NE(at, std::string::npos);
    for (size_t i = 1; i < 5; ++i) {
      const size_t next =
          r.prompt.find(fmt::format("VAR {} = VAR {}", r.answers[i], r.answers[i - 1]));
      ASSERT_NE(next, std::string::npos);
      EXPECT_GT(next, at) << "in order";
      at = next;
    }
    EXPECT_EQ(occurrences(r.prompt, "Find all variables"), 2u) << "an example comes first";
  }
}

TEST(Ruler, RefusesWhatCannotBe) {
  EXPECT_THROW(make("niah_single_9"), Error);
  EXPECT_THROW(make("qa_1"), Error);
  EXPECT_THROW(make("niah_single_1", 30), Error);
  EXPECT_THROW(make("fwe", 60), Error);
  RulerOptions options;
  options.max_length = 600;
  options.samples = 1;
  EXPECT_THROW(make_ruler_tasks(options, templates(), "", count_words), Error) << "no essay";
  options.tasks = {"niah_single_1"};
  EXPECT_EQ(make_ruler_tasks(options, templates(), "", count_words).size(), 1u);
  RulerTemplates some = templates();
  some.erase("niah");
  options.tasks = {"vt"};
  EXPECT_THROW(make_ruler_tasks(options, some, "", count_words), Error) << "vt takes niah's noise";
}

TEST(StringMatch, IsContainmentWhateverTheCase) {
  const std::vector<std::string> answers = {"ABC", "12", "x y"};
  EXPECT_DOUBLE_EQ(string_match_all("abc and 512", answers), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(string_match_all("x\ty ABC", answers), 1.0 / 3.0) << "control characters";
  EXPECT_DOUBLE_EQ(string_match_part("only X Y", answers), 1.0);
  EXPECT_DOUBLE_EQ(string_match_part("", answers), 0.0);
  EXPECT_DOUBLE_EQ(string_match_all("abc", {}), 0.0);
}

}  // namespace
}  // namespace lazyllm::evaluation
