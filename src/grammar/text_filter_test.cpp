// SPDX-License-Identifier: Apache-2.0
#include "grammar/text_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "grammar/byte_vocabulary_for_tests.h"
#include "lazyllm/error.h"
#include "text/tokenizer.h"

namespace lazyllm::grammar {
namespace {

using text::TokenType;
using text::Vocabulary;

/// All bytes, and some longer tokens.
std::shared_ptr<const TokenTable> table() {
  Vocabulary v = byte_vocabulary();
  for (const char* token : {"ab", "aba", "yes", "no", "12", "((", "))", "\xC3\xA9x"}) {
    v.tokens.push_back(token);
    v.types.push_back(TokenType::normal);
  }
  v.bos = 1;
  v.eos = 2;
  v.unknown = 0;
  return std::make_shared<const TokenTable>(*text::Tokenizer::create(std::move(v)));
}

bool has(std::span<const uint64_t> mask, int32_t token) {
  return (mask[static_cast<size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

/// True if the grammar has exactly this text, read byte by byte.
bool accepts(const TextGrammar& grammar, std::string_view text) {
  const auto tokens = table();
  TextFilter filter(tokens, std::make_shared<const TextGrammar>(grammar));
  for (const char c : text) {
    const int32_t token = 3 + static_cast<uint8_t>(c);
    if (!has(filter.allowed(), token)) return false;
    filter.accept(token);
  }
  return filter.complete();
}

std::string refusal(std::string_view gbnf) {
  try {
    parse_gbnf(gbnf);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_input);
    return error.what();
  }
}

TEST(TextFilter, HoldsTextsToAGrammar) {
  const TextGrammar sums = parse_gbnf(
      "# sums\nroot ::= term (\" + \" term)*\nterm ::= num | \"(\" root \")\"\nnum ::= "
      "[0-9]{1,3}\n");
  for (const char* text : {"1", "(1)", "((12 + 3)) + 999", "1 + 2 + (3 + 4)"}) {
    EXPECT_TRUE(accepts(sums, text)) << text;
  }
  for (const char* text : {"", "(1", "1234", "1 +", "1+2", ")", "a"}) {
    EXPECT_FALSE(accepts(sums, text)) << text;
  }
}

TEST(TextFilter, ReadsAllOfGbnf) {
  const TextGrammar grammar = parse_gbnf(
      "root ::=\n  start [^a-c\\n]+ \"\\x41\\u00e9\" . (\n \"x\"?\n | \"yy\" ){2}\n   | "
      "\"alone\"\nstart ::= \"\\\"\"");
  EXPECT_TRUE(accepts(grammar, "\"zA\xC3\xA9!xyy"));
  EXPECT_TRUE(accepts(grammar, "\"zzA\xC3\xA9\xF0\x9F\x99\x82"));
  EXPECT_TRUE(accepts(grammar, "alone"));
  EXPECT_FALSE(accepts(grammar, "\"aA\xC3\xA9!"));
  EXPECT_FALSE(accepts(grammar, "\"zA\xC3\xA9!yyyyyy"));
}

TEST(TextFilter, WhatCannotBeReadIsRefusedWithItsLine) {
  EXPECT_NE(refusal("root ::= a\n").find("\"a\" is not defined"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\"\nb ::= \"x").find("line 2"), std::string::npos);
  EXPECT_NE(refusal("a ::= \"a\"").find("\"root\""), std::string::npos);
  EXPECT_NE(refusal("root ::= root \"a\" | \"b\"").find("left recursion"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\" root").find("no end"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\"{1000000}").find("counts above"), std::string::npos);
  EXPECT_NE(refusal("root ::= (\"a\"").find("not closed"), std::string::npos);
  EXPECT_NE(refusal("root ::= [b-a]").find("wrong way"), std::string::npos);
  EXPECT_NE(refusal("root : \"a\"").find("::="), std::string::npos);
  EXPECT_EQ(refusal("root ::= (\"a\"*)* \"b\""), "accepted");
  const std::string deep(100, '(');
  EXPECT_NE(refusal("root ::= " + deep).find("too deep"), std::string::npos);
}

TEST(TextFilter, APatternIsMatchedAsAWhole) {
  const char* pattern = "^(yes|no)?-?[0-9]{2,3}(ab)*$";
  const TextGrammar grammar = grammar_of_pattern(pattern);
  const std::regex expected(pattern);
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (int k = static_cast<int>(random() % 4); k > 0; --k) {
      constexpr const char* kParts[] = {"yes", "no", "-", "12", "3", "ab", "a"};
      text += kParts[random() % 7];
    }
    const bool matches = std::regex_match(text, expected);
    accepted += matches ? 1 : 0;
    EXPECT_EQ(accepts(grammar, text), matches) << text;
  }
  EXPECT_GT(accepted, 20);
  EXPECT_THROW(grammar_of_pattern("a^b"), Error);
}

/// The mask holds exactly the tokens that can be accepted, from whatever state; and a random walk
/// over many tokens never comes to a point without one.
TEST(TextFilter, AllowsExactlyWhatItAccepts) {
  const auto tokens = table();
  const auto grammar = std::make_shared<const TextGrammar>(
      parse_gbnf("root ::= item+ \"!\"\nitem ::= \"(\" item* \")\" | \"aba\" | \"yes\" | "
                 "[0-9\\u00e9]+ \"x\""));
  std::mt19937 random(3);
  TextFilter filter(tokens, grammar);
  for (int step = 0; step < 300; ++step) {
    const auto span = filter.allowed();
    const std::vector<uint64_t> mask(span.begin(), span.end());
    std::vector<int32_t> possible;
    for (int32_t token = 0; token < tokens->size(); ++token) {
      TextFilter copy = filter;
      bool accepted = true;
      try {
        copy.accept(token);
      } catch (const Error&) {
        accepted = false;
      }
      ASSERT_EQ(has(mask, token), accepted) << "step " << step << ", token " << token;
      if (accepted) possible.push_back(token);
    }
    ASSERT_FALSE(possible.empty());
    filter.accept(possible[random() % possible.size()]);
    if (filter.complete()) break;
  }
}

}  // namespace
}  // namespace lazyllm::grammar
