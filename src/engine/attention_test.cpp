// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/research/attention.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/tiny_model_for_tests.h"
#include "lazyllm/error.h"

namespace lazyllm {
namespace {

std::map<int, std::vector<float>> of_last_token(const Model& model,
                                                std::span<const TokenId> tokens) {
  std::map<int, std::vector<float>> scores;
  last_token_attention(model, tokens, [&](int layer, std::span<const float> s) {
    scores[layer].assign(s.begin(), s.end());
  });
  return scores;
}

TEST(AnswerAttention, HeadsGiveTheScoreAndTheAnswerLooksFromEachOfItsTokens) {
  const auto model = load_tiny_model();
  const std::vector<TokenId> prompt = random_tokens(50), answer = random_tokens(3, 2);
  // What each token from the prompt's last one on looks at: passes that end there.
  std::vector<std::map<int, std::vector<float>>> looks;
  std::vector<TokenId> tokens = prompt;
  looks.push_back(of_last_token(*model, tokens));
  for (const TokenId token : answer) {
    tokens.push_back(token);
    looks.push_back(of_last_token(*model, tokens));
  }

  int layers = 0;
  answer_attention(*model, prompt, answer, 1, [&](const AnswerAttention& attention) {
    ++layers;
    ASSERT_EQ(attention.needed.size(), prompt.size());
    const size_t heads = attention.seen.size() / prompt.size();
    EXPECT_EQ(heads, 4u);
    for (size_t i = 0; i < prompt.size(); ++i) {
      double seen = 0.0, needed = 0.0;
      for (size_t h = 0; h < heads; ++h) seen += attention.seen[h * prompt.size() + i] / 4.0;
      for (const auto& look : looks) needed += look.at(attention.layer)[i] / 4.0;
      EXPECT_NEAR(seen, looks[0].at(attention.layer)[i], 1e-6);
      EXPECT_NEAR(attention.needed[i], needed, 1e-5);
    }
  });
  EXPECT_EQ(layers, 3) << "all but the last";
}

TEST(AnswerAttention, RefusesWhatCannotBeRun) {
  const auto model = load_tiny_model();
  const auto nothing = [](const AnswerAttention&) {};
  const std::vector<TokenId> prompt = random_tokens(250), answer = random_tokens(10);
  EXPECT_THROW(answer_attention(*model, {}, answer, 1, nothing), Error);
  EXPECT_THROW(answer_attention(*model, prompt, answer, 1, nothing), Error) << "context 256";
  const std::vector<TokenId> foreign = {1, 64};
  EXPECT_THROW(answer_attention(*model, foreign, {}, 1, nothing), Error);
}

}  // namespace
}  // namespace lazyllm
