// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "lazyllm/error.h"
#include "text/byte_alphabet.h"

namespace lazyllm::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void add(Vocabulary& v, const std::string& token, float score = 0,
         TokenType type = TokenType::normal) {
  v.tokens.push_back(token);
  v.scores.push_back(score);
  v.types.push_back(type);
}

/// <unk> <s> </s> <0x00>..<0xFF> and a few pieces from id 259 on.
Vocabulary small_spm() {
  Vocabulary v;
  v.kind = Vocabulary::Kind::spm;
  add(v, "<unk>", 0, TokenType::unknown);
  add(v, "<s>", 0, TokenType::control);
  add(v, "</s>", 0, TokenType::control);
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    add(v, text, 0, TokenType::byte);
  }
  const char* pieces[] = {"\u2581",  "a", "b", "c", "ab",          "bc",
                          "\u2581a", "<", "s", ">", "\u2581\u2581"};
  for (size_t i = 0; i < std::size(pieces); ++i) add(v, pieces[i], -static_cast<float>(i));
  add(v, "<tool>", 0, TokenType::user_defined);
  v.bos = 1, v.eos = 2, v.unknown = 0, v.add_bos = true;
  return v;
}

/// The 256 bytes, "ab", " ab", <|end|>, and <mark> from id 256 on.
Vocabulary small_bpe() {
  Vocabulary v;
  v.kind = Vocabulary::Kind::bpe;
  v.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte) add(v, spelling_of_byte(static_cast<unsigned char>(byte)));
  add(v, "ab");
  add(v, "\u0120ab");
  add(v, "<|end|>", 0, TokenType::control);
  add(v, "<mark>", 0, TokenType::user_defined);
  v.merges = {"a b", "\u0120 ab"};
  v.bos = v.eos = 258;
  return v;
}

constexpr TokenId kMark = 259;

TokenId byte_symbol(char c) {
  return static_cast<unsigned char>(c);
}

TokenId byte_id(char c) {
  return 3 + static_cast<unsigned char>(c);
}

TEST(SpmTokenizer, MergesByScore) {
  const auto tokenizer = Tokenizer::create(small_spm());
  // "▁abc": "ab" (-4) wins over "bc" (-5) and "▁a" (-6).
  EXPECT_THAT(tokenizer->encode("abc", false, false), ElementsAre(259, 263, 262));
  EXPECT_THAT(tokenizer->encode("abc", true, false), ElementsAre(1, 259, 263, 262));
  EXPECT_THAT(tokenizer->encode("", true, false), ElementsAre(1));
  EXPECT_THAT(tokenizer->encode("z", false, false), ElementsAre(259, byte_id('z')));
}

TEST(SpmTokenizer, TextNeverBecomesAControlToken) {
  const auto tokenizer = Tokenizer::create(small_spm());
  EXPECT_THAT(tokenizer->encode("<s>", false, false), ElementsAre(259, 266, 267, 268));
  EXPECT_THAT(tokenizer->encode("<s>a", false, true), ElementsAre(1, 265));
  EXPECT_THAT(tokenizer->encode("<s>a", true, true), ElementsAre(1, 265));  // no second BOS
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<0x41>", false, false)), "<0x41>");
}

TEST(SpmTokenizer, PrefixIsTakenAwayAgain) {
  const auto tokenizer = Tokenizer::create(small_spm());
  EXPECT_THAT(tokenizer->encode("a<tool>a", false, false), ElementsAre(265, 270, 265));
  for (const char* text : {"a", " a", "  ", "a<tool>a", "a<tool> a", "<tool>", "\u2581a"}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true, false)), text);
  }
  EXPECT_EQ(tokenizer->piece(265), " a");
}

TEST(ByteLevelBpe, MergesByRank) {
  const auto tokenizer = Tokenizer::create(small_bpe());
  EXPECT_THAT(tokenizer->encode("ab ab", false, false), ElementsAre(256, 257));
  EXPECT_THAT(tokenizer->encode("ba", false, false),
              ElementsAre(byte_symbol('b'), byte_symbol('a')));
}

TEST(ByteLevelBpe, SpecialTokensAreForTemplatesOnly) {
  const auto tokenizer = Tokenizer::create(small_bpe());
  EXPECT_THAT(tokenizer->encode("ab<|end|>", false, true), ElementsAre(256, 258));
  const auto as_text = tokenizer->encode("ab<|end|>", false, false);
  EXPECT_EQ(as_text.size(), 8U);
  EXPECT_EQ(tokenizer->decode(as_text), "ab<|end|>");
  EXPECT_THAT(tokenizer->encode("<mark>ab", false, false), ElementsAre(kMark, 256));
}

TEST(ByteLevelBpe, Segments) {
  const auto tokenizer = Tokenizer::create(small_bpe());
  const auto encode = [&](std::vector<TextSegment> segments, bool add_special = false) {
    return tokenizer->encode(std::span<const TextSegment>(segments), add_special);
  };
  // Text of different origin is tokenised as one.
  EXPECT_THAT(encode({{"a", true}, {"b", false}, {" ", true}, {"ab", false}}),
              ElementsAre(256, 257));
  // A user cannot write a special token, nor complete one that the template began.
  EXPECT_EQ(encode({{"<|end|>", false}}).size(), 7U);
  EXPECT_EQ(encode({{"<|end", true}, {"|>", false}}).size(), 7U);
  EXPECT_THAT(encode({{"<|end", true}, {"", false}, {"|>", true}}), ElementsAre(258));
  EXPECT_THAT(encode({{"ab", false}, {"<|end|>", true}, {"ab", false}}),
              ElementsAre(256, 258, 256));
}

TEST(Tokenizer, EndsOfTokensInTheText) {
  const auto bpe = Tokenizer::create(small_bpe());
  std::vector<size_t> ends;
  const std::vector<TextSegment> segments = {{"ab", false}, {"<|end|>", true}, {" abc", false}};
  bpe->encode(segments, false, &ends);
  EXPECT_THAT(ends, ElementsAre(2, 9, 12, 13));
  // A BOS and the space that SPM puts before a text take no bytes of it.
  Vocabulary v = small_spm();
  v.add_bos = true;
  const auto spm = Tokenizer::create(std::move(v));
  const std::vector<TextSegment> text = {{"x y\u00e9", false}};
  ends.clear();
  const auto tokens = spm->encode(text, true, &ends);
  ASSERT_EQ(ends.size(), tokens.size());
  EXPECT_EQ(ends.front(), 0U);
  EXPECT_EQ(ends.back(), 5U);
  EXPECT_TRUE(std::is_sorted(ends.begin(), ends.end()));
  for (size_t i = 2; i < ends.size(); ++i) {
    EXPECT_EQ(ends[i] - ends[i - 1], spm->piece(tokens[i]).size()) << i;
  }
}

TEST(Tokenizer, BosAndEosOnce) {
  Vocabulary v = small_bpe();
  v.add_bos = v.add_eos = true;
  const auto tokenizer = Tokenizer::create(v);
  EXPECT_THAT(tokenizer->encode("ab", true, true), ElementsAre(258, 256, 258));
  EXPECT_THAT(tokenizer->encode("<|end|>ab", true, true), ElementsAre(258, 256, 258));
  EXPECT_THAT(tokenizer->encode("ab", false, true), ElementsAre(256));
}

TEST(Tokenizer, StripsWhiteSpaceBesideSpecialTokens) {
  Vocabulary v = small_bpe();
  v.strip_right = {258};
  const auto tokenizer = Tokenizer::create(v);
  EXPECT_THAT(tokenizer->encode("ab<|end|>\n ab", false, true), ElementsAre(256, 258, 256));
  const std::vector<TextSegment> segments = {{"<|end|>", true}, {" ab", false}};
  EXPECT_THAT(tokenizer->encode(segments, false), ElementsAre(258, 257));  // a user's space stays
}

TEST(Tokenizer, EndsOfGeneration) {
  const auto tokenizer = Tokenizer::create(small_bpe());
  EXPECT_TRUE(tokenizer->is_end_of_generation(258));
  EXPECT_FALSE(tokenizer->is_end_of_generation(256));
  EXPECT_FALSE(tokenizer->is_end_of_generation(-1));
  EXPECT_FALSE(tokenizer->is_end_of_generation(1000));
}

TEST(Tokenizer, RoundTripOfArbitraryBytes) {
  Vocabulary characters = small_spm();  // as BPE over characters, with byte fallback
  characters.kind = Vocabulary::Kind::bpe;
  characters.byte_level = false;
  characters.pre = "whole";
  characters.merges = {"a b", "\u2581 a", "\u2581 \u2581"};
  std::mt19937 random(7);
  const std::string alphabet = std::string("ab c\n<tool>\xE2\x96\x81\xC3\xA9\xFF\xF0\x9F") + '\0';
  for (const Vocabulary& vocabulary : {small_spm(), small_bpe(), characters}) {
    const auto tokenizer = Tokenizer::create(vocabulary);
    for (int i = 0; i < 3000; ++i) {
      std::string text(random() % 24, ' ');
      for (char& c : text) {
        c = i % 3 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
      }
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), text);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, true, false)), text);
    }
  }
}

TEST(Tokenizer, HostileTextsTakeLinearTime) {
  Vocabulary spm = small_spm();
  Vocabulary bpe = small_bpe();
  for (const char* repeated : {"a", "ab", " ", "7", "\n", "'", "\xFF", " \n", "<|end", "A"}) {
    std::string text;
    while (text.size() < 200000) text += repeated;
    for (const char* pre : {"gpt-2", "llama3", "jais-2", "tekken", "deepseek-llm", "tiny_aya"}) {
      bpe.pre = pre;
      const auto tokenizer = Tokenizer::create(bpe);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, false, true)).size(), text.size());
    }
    const auto tokenizer = Tokenizer::create(spm);
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), text);
  }
}

TEST(Tokenizer, ContradictoryVocabularies) {
  const auto code = [](const Vocabulary& vocabulary) {
    try {
      Tokenizer::create(vocabulary);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code(Vocabulary()), ErrorCode::invalid_file);
  Vocabulary v = small_bpe();
  v.types.pop_back();
  EXPECT_EQ(code(v), ErrorCode::invalid_file);
  v = small_bpe();
  v.bos = 100000;
  EXPECT_EQ(code(v), ErrorCode::invalid_file);
  v = small_bpe();
  v.merges.push_back("nospace");
  EXPECT_EQ(code(v), ErrorCode::invalid_file);
  v = small_bpe();
  v.pre = "unheard-of";
  EXPECT_EQ(code(v), ErrorCode::unsupported);
}

TEST(Tokenizer, ChecksIds) {
  const auto tokenizer = Tokenizer::create(small_bpe());
  EXPECT_THROW(tokenizer->piece(-1), Error);
  EXPECT_THROW(tokenizer->piece(260), Error);
  EXPECT_THROW(tokenizer->decode(std::vector<TokenId>{1, 5000}), Error);
  EXPECT_EQ(tokenizer->piece(258), "");
  EXPECT_EQ(tokenizer->piece(258, true), "<|end|>");
}

TEST(StreamingDetokenizer, HoldsBackHalfCharacters) {
  const auto tokenizer = Tokenizer::create(small_spm());
  StreamingDetokenizer stream(*tokenizer);
  EXPECT_EQ(stream.push(265), " a");  // a continuation keeps its space
  EXPECT_EQ(stream.push(byte_id('\xE4')), "");
  EXPECT_EQ(stream.push(byte_id('\xB8')), "");
  EXPECT_EQ(stream.push(byte_id('\xAD')), "中");
  EXPECT_EQ(stream.push(byte_id('\xFF')), "\uFFFD");
  EXPECT_EQ(stream.push(byte_id('\xC3')), "");
  EXPECT_EQ(stream.push(260), "\uFFFDa");
  EXPECT_EQ(stream.push(byte_id('\xC3')), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace lazyllm::text
