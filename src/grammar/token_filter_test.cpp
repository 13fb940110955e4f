// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "grammar/byte_vocabulary_for_tests.h"
#include "grammar/schema_compiler.h"
#include "lazyllm/error.h"
#include "text/tokenizer.h"

namespace lazyllm::grammar {
namespace {

using text::TokenType;
using text::Vocabulary;

/// Bytes, some longer tokens, and what must never come.
Vocabulary vocabulary() {
  Vocabulary v = byte_vocabulary();
  for (const char* token : {"{\"",    "\":",       "\":\"",        "\",\"",
                            "\"}",    "},{",       "[[",           "]]",
                            "true",   "null",      "abc",          "a\"b",
                            "\\u00",  "\\\"",      "\xC3\xA9",     "\xE6\x97",
                            "123",    "1,2",       "-1",           "0.5",
                            "e5",     "\n  ",      "\xE2\x96\x81", "\xE2\x96\x81{",
                            "<tool>", "{\"a\":1}", "ab\":{\"c",    "\xF0\x9F\x99\x82\"",
                            "}}",     "\"a\"",     "zzzzzzzzzzzz"}) {
    v.tokens.push_back(token);
    v.types.push_back(std::string(token) == "<tool>" ? TokenType::control : TokenType::normal);
  }
  v.bos = 1;
  v.eos = 2;
  v.unknown = 0;
  return v;
}

std::shared_ptr<const TokenTable> table() {
  return std::make_shared<const TokenTable>(*text::Tokenizer::create(vocabulary()));
}

bool has(std::span<const uint64_t> mask, int32_t token) {
  return (mask[static_cast<size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

/// In every state, the mask holds the tokens that can be accepted and no other.
TEST(TokenFilter, AllowsExactlyWhatItAccepts) {
  const auto tokens = table();
  const auto size = static_cast<int32_t>(tokens->size());
  std::mt19937 random(1);
  for (
      const char* schema :
      {R"({"type": "object"})",
       R"({"type": "array", "items": {"type": "integer", "maximum": 125}})",
       R"({"type": "string", "maxLength": 5, "minLength": 2})",
       R"({"anyOf": [{"type": "string", "pattern": "^a.*b$"}, {"type": "string", "maxLength": 3}, {"type": "number"}]})",
       R"({"type": "object", "properties": {"ab": {"type": "object"}, "abc": {"type": "boolean"}}, "required": ["abc"]})",
       R"({"enum": ["abc", "a\"b", 12, 123, null]})"}) {
    const auto grammar = compile_schema(schema);
    for (int round = 0; round < 6; ++round) {
      TokenFilter filter(tokens, grammar);
      for (int step = 0; step < 25; ++step) {
        const auto view = filter.allowed();
        const std::vector<uint64_t> mask(view.begin(), view.end());
        std::vector<int32_t> possible;
        for (int32_t token = 0; token < size; ++token) {
          TokenFilter copy = filter;
          bool accepted = true;
          try {
            copy.accept(token);
          } catch (const Error&) {
            accepted = false;
          }
          ASSERT_EQ(has(mask, token), accepted) << "token " << token << " in step " << step;
          if (accepted) possible.push_back(token);
        }
        ASSERT_FALSE(possible.empty());
        EXPECT_EQ(has(mask, 2), filter.complete());
        filter.accept(possible[random() % possible.size()]);
      }
    }
  }
}

TEST(TokenFilter, EndsOnlyWhenNothingMayFollow) {
  TokenFilter filter(table(), compile_schema(R"({"type": "object"})"));
  for (const char byte : std::string("{}")) filter.accept(3 + byte);
  const auto mask = filter.allowed();
  for (int32_t token = 0; token < 256 + 3; ++token) EXPECT_EQ(has(mask, token), token == 2);
  filter.accept(2);
  EXPECT_TRUE(filter.complete());
  EXPECT_TRUE(has(filter.allowed(), 2));
  EXPECT_THROW(filter.accept(3 + '{'), Error);
}

TEST(TokenTable, RefusesVocabulariesThatCouldGetStuck) {
  Vocabulary v = vocabulary();
  v.tokens[3 + 'x'] = "<0x00>";
  EXPECT_THROW(TokenTable(*text::Tokenizer::create(v)), Error);
  v = vocabulary();
  v.eos = text::kNoToken;
  v.tokens[2] = "end";
  EXPECT_THROW(TokenTable(*text::Tokenizer::create(v)), Error);
}

}  // namespace
}  // namespace lazyllm::grammar
