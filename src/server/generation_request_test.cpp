// SPDX-License-Identifier: Apache-2.0
#include "server/generation_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "server/request_refusal_for_tests.h"

namespace lazyllm::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kVocabulary = 100;

GenerationRequest parse(const std::string& body, const RequestDefaults& defaults = {}) {
  const Json json = parse_body(body);
  return parse_generation(Fields(json), defaults, kVocabulary);
}

std::string refusal(const std::string& body) {
  return refusal_of([&] { parse(body); });
}

TEST(ParseGeneration, ReadsEveryField) {
  const GenerationRequest request = parse(R"({
      "temperature": 0.5, "top_p": 0.9, "top_k": 12, "min_p": 0.1, "seed": 42, "n": 3,
      "max_tokens": 7, "presence_penalty": -1.5, "frequency_penalty": 2, "repeat_penalty": 1.1,
      "repeat_last_n": -1, "stop": ["a", "b"], "stream": true, "cache_prompt": false,
      "stream_options": {"include_usage": true}, "return_progress": true, "ignore_eos": true,
      "logit_bias": {"7": 1.5, "9": -100}, "user": "ignored", "unknown": {"x": 1}})");
  const GenerationOptions& g = request.answer.generation;
  EXPECT_FLOAT_EQ(g.sampling.temperature, 0.5f);
  EXPECT_FLOAT_EQ(g.sampling.top_p, 0.9f);
  EXPECT_EQ(g.sampling.top_k, 12);
  EXPECT_FLOAT_EQ(g.sampling.min_p, 0.1f);
  EXPECT_EQ(g.sampling.seed, 42u);
  EXPECT_FALSE(request.random_seed);
  EXPECT_EQ(request.choices, 3);
  EXPECT_EQ(g.max_tokens, 7);
  EXPECT_FLOAT_EQ(g.sampling.presence_penalty, -1.5f);
  EXPECT_FLOAT_EQ(g.sampling.frequency_penalty, 2.0f);
  EXPECT_FLOAT_EQ(g.sampling.repeat_penalty, 1.1f);
  EXPECT_EQ(g.sampling.repeat_last_n, -1);
  EXPECT_EQ(g.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(g.ignore_eos && request.stream && request.include_usage && request.return_progress);
  EXPECT_FALSE(request.answer.use_cache);
  ASSERT_EQ(g.sampling.logit_bias.size(), 2u);
  EXPECT_EQ(g.sampling.logit_bias[0].token, 7);
  EXPECT_TRUE(std::isinf(g.sampling.logit_bias[1].bias)) << "-100 forbids";
}

TEST(ParseGeneration, BiasesTheTokensOfATextAsWell) {
  for (const char* body :
       {R"({"logit_bias": {"ab": -2, "7": 1}})", R"({"logit_bias": [["ab", -2], [7, 1]]})"}) {
    const Json json = parse_body(body);
    const auto tokenize = [](const std::string& text) {
      return std::vector<TokenId>(text.begin(), text.end());
    };
    const auto biases =
        parse_generation(Fields(json), {}, 100, tokenize).answer.generation.sampling.logit_bias;
    ASSERT_EQ(biases.size(), 3u);
    EXPECT_EQ(biases[0].token, 'a');
    EXPECT_EQ(biases[1].token, 'b');
    EXPECT_FLOAT_EQ(biases[1].bias, -2.0f);
    EXPECT_EQ(biases[2].token, 7);
  }
}

TEST(ParseGeneration, WhatIsNotSaidComesFromTheServer) {
  RequestDefaults defaults;
  defaults.generation.sampling.temperature = 0.3f;
  defaults.generation.max_tokens = 5;
  defaults.pruning.policy = "dense";
  const GenerationRequest request = parse(R"({"temperature": null, "lazy": {}})", defaults);
  EXPECT_FLOAT_EQ(request.answer.generation.sampling.temperature, 0.3f);
  EXPECT_EQ(request.answer.generation.max_tokens, 5);
  EXPECT_EQ(request.answer.pruning.policy, "dense");
  EXPECT_TRUE(request.random_seed);
  EXPECT_EQ(parse(R"({"max_tokens": 3, "max_completion_tokens": 9})").answer.generation.max_tokens,
            9);
  EXPECT_TRUE(parse(R"({"seed": -1})").random_seed);
  EXPECT_EQ(parse(R"({"n_predict": 4})").answer.generation.max_tokens, 4);
  EXPECT_EQ(parse(R"({"n_predict": -2})").answer.generation.max_tokens, -1);
}

TEST(ParseGeneration, TheProfileGivesWhatTheRequestLeavesOpen) {
  Profile profile;
  profile.pruning.prune = "15:0.5";
  profile.pruning.score_pool = 7;
  profile.pruning.revive_budget = {.tokens = 2};
  RequestDefaults defaults;
  defaults.profile = profile;
  const auto pruning = [&](const std::string& lazy) {
    return parse(R"({"lazy": )" + lazy + "}", defaults).answer.pruning;
  };
  EXPECT_EQ(pruning("{}").prune, "15:0.5");
  EXPECT_EQ(pruning("{}").score_pool, 7);
  EXPECT_EQ(pruning(R"({"revive_budget": 9})").prune, "15:0.5");
  EXPECT_EQ(pruning(R"({"revive_budget": 9})").revive_budget->tokens, 9);
  EXPECT_EQ(pruning(R"({"prune": "5:0.1"})").score_pool, std::nullopt);
  EXPECT_EQ(pruning(R"({"policy": "random"})").prune, "");
}

TEST(ParseGeneration, ReadsPruning) {
  const GenerationRequest request = parse(R"({"lazy": {"policy": "lazy", "prune": "19:0.1",
      "protect_first": 1, "protect_last": 2, "revive_budget": 3, "min_prompt": 4,
      "score": "window:8", "score_pool": 5, "keep_mass": 0.9, "report": "tokens"}})");
  const PruningOptions& p = request.answer.pruning;
  EXPECT_EQ(p.prune, "19:0.1");
  EXPECT_EQ(p.protect_first, 1);
  EXPECT_EQ(p.protect_last, 2);
  EXPECT_EQ(p.revive_budget->tokens, 3);
  EXPECT_EQ(p.min_prompt, 4);
  EXPECT_EQ(p.keep_mass, 0.9);
  EXPECT_EQ(p.score, "window:8");
  EXPECT_EQ(p.score_pool, 5);
  EXPECT_TRUE(request.answer.report_tokens);
  EXPECT_EQ(parse(R"({"lazy": {"revive_budget": "all"}})").answer.pruning.revive_budget->tokens,
            RevivalBudget::kAll);
  EXPECT_EQ(parse(R"({"lazy": {"revive_budget": "none"}})").answer.pruning.revive_budget->tokens,
            0);
}

TEST(ParseGeneration, RefusesWhatCannotBeMeant) {
  EXPECT_THAT(refusal(R"({"temperature": -1})"), StartsWith("400 invalid_value temperature"));
  EXPECT_THAT(refusal(R"({"temperature": "hot"})"), StartsWith("400 invalid_type temperature"));
  EXPECT_THAT(refusal(R"({"top_p": 1.5})"), StartsWith("400 invalid_value top_p"));
  EXPECT_THAT(refusal(R"({"n": 0})"), StartsWith("400 invalid_value n"));
  EXPECT_THAT(refusal(R"({"n": 1000})"), StartsWith("400 invalid_value n"));
  EXPECT_THAT(refusal(R"({"max_tokens": 1.5})"), StartsWith("400 invalid_value max_tokens"));
  EXPECT_THAT(refusal(R"({"stop": 3})"), StartsWith("400 invalid_type stop"));
  EXPECT_THAT(refusal(R"({"stop": ["a", 3]})"), StartsWith("400 invalid_type stop[1]"));
  EXPECT_THAT(refusal(R"({"logit_bias": {"100": 1}})"), HasSubstr("not in the vocabulary"));
  EXPECT_THAT(refusal(R"({"logit_bias": {"": 1}})"), HasSubstr("empty text"));
  EXPECT_THAT(refusal(R"({"logit_bias": {"1": 101}})"), HasSubstr("must lie in"));
  EXPECT_THAT(refusal(R"({"logit_bias": [[1]]})"), StartsWith("400 invalid_type logit_bias"));
  EXPECT_THAT(refusal(R"({"stream": "yes"})"), StartsWith("400 invalid_type stream"));
  EXPECT_THAT(refusal(R"({"lazy": 1})"), StartsWith("400 invalid_type lazy"));
  EXPECT_THAT(refusal(R"({"lazy": {"revive_budget": "some"}})"),
              StartsWith("400 invalid_value lazy.revive_budget"));
  EXPECT_THAT(refusal(R"({"lazy": {"report": "all"}})"),
              StartsWith("400 invalid_value lazy.report"));
}

TEST(CheckModelName, TakesAnyUnlessStrict) {
  const auto check = [](const char* body, bool strict) {
    const Json json = parse_body(body);
    check_model_name(Fields(json), "small", strict);
  };
  for (const bool strict : {false, true}) {
    check("{}", strict);
    check(R"({"model": "small"})", strict);
    check(R"({"model": ""})", strict);
  }
  check(R"({"model": "large"})", false);
  EXPECT_THAT(refusal_of([&] { check(R"({"model": 4})", false); }),
              StartsWith("400 invalid_type model"));
  EXPECT_THAT(refusal_of([&] { check(R"({"model": "large"})", true); }),
              StartsWith("404 model_not_found model: the model \"large\" is not served here"));
}

}  // namespace
}  // namespace lazyllm::server
