// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/tiny_model_for_tests.h"
#include "lazyllm/scheduler.h"

namespace lazyllm {

inline PruningOptions pruning(const std::string& policy, const std::string& prune) {
  PruningOptions options;
  options.policy = policy;
  options.prune = prune;
  options.min_prompt = 0;
  options.protect_first = 1;
  options.protect_last = 2;
  return options;
}

inline AnswerRequest request(std::vector<TokenId> prompt, int64_t max_tokens,
                             const std::string& policy = "lazy",
                             const std::string& prune = "2:0.4") {
  AnswerRequest request;
  request.prompt = std::move(prompt);
  request.generation.max_tokens = max_tokens;
  request.generation.sampling.seed = 7;
  request.pruning = pruning(policy, prune);
  return request;
}

/// All that one answer told.
struct Outcome {
  std::vector<TokenId> tokens;
  std::vector<AnswerToken> events;
  AnswerEnd end;
};

inline Outcome read(Answer& answer) {
  Outcome outcome;
  while (true) {
    const auto event = answer.wait(std::chrono::seconds(60));
    if (!event) {
      ADD_FAILURE() << "no event within a minute";
      return outcome;
    }
    if (const auto* token = std::get_if<AnswerToken>(&*event)) {
      outcome.tokens.push_back(token->token);
      outcome.events.push_back(*token);
    } else if (const auto* end = std::get_if<AnswerEnd>(&*event)) {
      outcome.end = *end;
      return outcome;
    }
  }
}

}  // namespace lazyllm
