// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lazyllm/error.h"

namespace lazyllm::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> split(const std::string& name, const std::string& text) {
  std::vector<std::string> pieces;
  for (const std::string_view piece : PreTokenizer::by_name(name).split(text)) {
    pieces.emplace_back(piece);
  }
  return pieces;
}

TEST(PreTokenizer, Gpt2) {
  EXPECT_THAT(split("gpt-2", "I'll go  now!! 123\n\n x"),
              ElementsAre("I", "'ll", " go", " ", " now", "!!", " 123", "\n\n", " x"));
  EXPECT_THAT(split("gpt-2", "a\tb   "), ElementsAre("a", "\t", "b", "   "));
  EXPECT_THAT(split("gpt-2", "I'LL"), ElementsAre("I", "'", "LL"));
}

TEST(PreTokenizer, Llama3AndQwen2DifferInDigits) {
  EXPECT_THAT(split("llama-bpe", "We'LL pay $12345.\n\n  ok"),
              ElementsAre("We", "'LL", " pay", " $", "123", "45", ".\n\n", " ", " ok"));
  EXPECT_THAT(split("qwen2", "x 123"), ElementsAre("x", " ", "1", "2", "3"));
  EXPECT_THAT(split("llama-bpe", "a  \n \n b"), ElementsAre("a", "  \n \n", " b"));
}

TEST(PreTokenizer, Qwen35KeepsMarksInWords) {
  EXPECT_THAT(split("qwen35", "e\u0301a"), ElementsAre("e\u0301a"));
  EXPECT_THAT(split("qwen2", "e\u0301a"), ElementsAre("e", "\u0301a"));
}

TEST(PreTokenizer, CaseAwareFamilies) {
  EXPECT_THAT(split("tekken", "HTTPServer camelCase ABC"),
              ElementsAre("HTTPServer", " camel", "Case", " ABC"));
  EXPECT_THAT(split("gpt-4o", "Don't a/b //\n/x 1234"),
              ElementsAre("Don't", " a", "/b", " //\n/", "x", " ", "123", "4"));
  EXPECT_THAT(split("gpt-4o", "中文ABC"), ElementsAre("中文", "ABC"));
}

TEST(PreTokenizer, DigitsAndPunctuation) {
  EXPECT_THAT(split("smollm", "a 12"), ElementsAre("a", " ", "1", "2"));
  EXPECT_THAT(split("falcon", "a12345``b"), ElementsAre("a", "123", "45", "``", "b"));
  EXPECT_THAT(split("tiny_aya", "1234567"), ElementsAre("1", "234", "567"));
  EXPECT_THAT(split("deepseek-v3", "x=1234中文か"), ElementsAre("x", "=", "123", "4", "中文か"));
}

TEST(PreTokenizer, StagesByName) {
  EXPECT_THAT(split("number-runs|ascii-digit-triples", "ab1234"), ElementsAre("ab", "123", "4"));
  EXPECT_THAT(split("whole", "a b"), ElementsAre("a b"));
  EXPECT_THAT(split("whole", ""), ElementsAre());
}

TEST(PreTokenizer, EveryFamilyKeepsEveryByte) {
  std::string text = "It's  40\u00a0000 \u3000 \xFF\xC3 HeLLo,\r\n\t\tΔx=中文\u0301!! 'S  ";
  text += std::string(3, '\0') + "\xF0\x9F";
  for (const char* name :
       {"default",      "llama3",         "jais-2",      "minicpm5", "qwen2",        "qwen35",
        "laguna",       "seed-coder",     "ufakzeka",    "gpt-2",    "starcoder",    "falcon",
        "deepseek-llm", "deepseek-coder", "deepseek-v3", "tekken",   "gpt-4o",       "tiny_aya",
        "superbpe",     "bloom",          "viking",      "gemma4",   "before-spaces"}) {
    std::string joined;
    for (const std::string& piece : split(name, text)) {
      EXPECT_FALSE(piece.empty()) << name;
      joined += piece;
    }
    EXPECT_EQ(joined, text) << name;
  }
}

TEST(PreTokenizer, UnknownNames) {
  for (const char* name : {"nonsense", "llama3-words|nonsense", "", "|"}) {
    try {
      PreTokenizer::by_name(name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      EXPECT_THAT(error.what(), HasSubstr("llama-bpe"));
    }
  }
}

}  // namespace
}  // namespace lazyllm::text
