// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "grammar/byte_vocabulary_for_tests.h"
#include "grammar/schema_compiler.h"
#include "grammar/token_filter.h"
#include "lazyllm/error.h"
#include "text/tokenizer.h"

namespace lazyllm::grammar {
namespace {

using text::TokenType;
using text::Vocabulary;

/// All bytes and words of up to three letters with blanks: about 22,000 tokens.
std::shared_ptr<const TokenTable> table() {
  Vocabulary v = byte_vocabulary();
  const std::string letters = " abcdefghijklmnopqrstuvwxyz";
  for (const char a : letters) {
    for (const char b : letters) {
      for (const char c : letters) {
        v.tokens.push_back({a, b, c});
        v.types.push_back(TokenType::normal);
      }
    }
  }
  v.bos = 1;
  v.eos = 2;
  v.unknown = 0;
  return std::make_shared<const TokenTable>(*text::Tokenizer::create(v));
}

TEST(SchemaCache, CompilesASchemaOnce) {
  const auto tokens = table();
  SchemaCache cache;
  const std::string schema = R"({"type": "string", "pattern": "^a+$"})";
  const CompiledSchema first = cache.get(tokens, schema), second = cache.get(tokens, schema);
  EXPECT_EQ(first.grammar, second.grammar);
  EXPECT_EQ(first.masks, second.masks);
  EXPECT_NE(first.grammar, cache.get(tokens, R"({"type": "integer"})").grammar);
}

TEST(SchemaCache, CompilesASchemaOnceForAllWhoAskAtOnce) {
  const auto tokens = table();
  SchemaCache cache;
  const std::string costly = R"({"type": "string", "pattern": "^(a|b)*a(a|b){12}$"})";
  const std::string refused = R"({"type": "string", "pattern": "^(a|b)*a(a|b){20}$"})";
  constexpr size_t kThreads = 8;
  std::vector<std::shared_ptr<const Grammar>> grammars(kThreads);
  std::vector<int> refusals(kThreads, 0);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      grammars[i] = cache.get(tokens, costly).grammar;
      try {
        if (i < 2) cache.get(tokens, refused);
      } catch (const Error&) {
        refusals[i] = 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& grammar : grammars) EXPECT_EQ(grammar, grammars[0]);
  EXPECT_EQ(refusals[0] + refusals[1], 2);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(SchemaCache, KeepsABoundedNumber) {
  const auto tokens = table();
  SchemaCache cache;
  const auto schema = [](size_t i) { return R"({"const": )" + std::to_string(i) + "}"; };
  const auto first = cache.get(tokens, schema(0)).grammar;
  for (size_t i = 1; i <= 2 * SchemaCache::kMostSchemas; ++i) cache.get(tokens, schema(i));
  EXPECT_EQ(cache.size(), SchemaCache::kMostSchemas);
  EXPECT_NE(cache.get(tokens, schema(0)).grammar, first);
}

TEST(SchemaCache, StopsWhenNobodyWaits) {
  std::stop_source source;
  source.request_stop();
  SchemaCache cache;
  EXPECT_THROW(cache.get(table(), R"({"type": "string", "pattern": "a"})", source.get_token()),
               Error);
  EXPECT_EQ(cache.size(), 0U);
}

/// Costly patterns are refused, and the sentence says what they cost.
TEST(SchemaCache, RefusesCostlyPatterns) {
  for (const char* pattern :
       {"^(a|b)*a(a|b){20}$", "(a.{0,200}b.{0,200}){5}", "((a{100}){100}){100}"}) {
    try {
      compile_schema(std::string(R"({"type": "string", "pattern": ")") + pattern + "\"}");
      ADD_FAILURE() << pattern;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("steps"), std::string::npos) << error.what();
    }
  }
}

/// A mask is computed once for a state of the pattern, whoever asks.
TEST(StringMasks, AreSharedByAnswers) {
  const auto tokens = table();
  SchemaCache cache;
  const CompiledSchema schema =
      cache.get(tokens, R"x({"type": "string", "pattern": "^$|(^(?:\\S+\\s+){0,99}\\S+$)"})x");
  const int32_t start = schema.grammar->automata[0].start();
  const auto mask = schema.masks->of(0, start);
  EXPECT_EQ(mask, schema.masks->of(0, start));
  EXPECT_GT(mask->steps, 1000U);
  TokenFilter with(tokens, schema.grammar, schema.masks), own(tokens, schema.grammar);
  for (const char* text : {"\"", "abc", " ab", "c  ", "abc", "\""}) {
    int32_t token = 0;
    while (tokens->bytes(token) != text) ++token;
    const auto a = with.allowed(), b = own.allowed();
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << text;
    with.accept(token);
    own.accept(token);
  }
  EXPECT_TRUE(with.complete());
}

TEST(StringMasks, KeepABoundedNumber) {
  const auto tokens = table();
  SchemaCache cache;
  const CompiledSchema schema =
      cache.get(tokens, R"({"type": "string", "pattern": "^[a-z]{600}$"})");
  const auto first = schema.masks->of(0, 0);
  for (int32_t state = 1; state <= static_cast<int32_t>(StringMasks::kMostKept); ++state) {
    schema.masks->of(0, state);
  }
  EXPECT_NE(schema.masks->of(0, 0), first);
  EXPECT_EQ(schema.masks->of(0, 0)->bits, first->bits);
}

}  // namespace
}  // namespace lazyllm::grammar
