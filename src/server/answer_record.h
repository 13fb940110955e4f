// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "server/answer_shape.h"
#include "server/generation_request.h"
#include "server/model_service.h"

namespace lazyllm::server {

/// A prompt of a request, with what the answer repeats of it.
struct Prompt {
  std::vector<TokenId> tokens;
  std::vector<TokenRange> protected_ranges = {};
  std::vector<TokenRange> free_documents = {};
  std::vector<StableHead::Kept> kept_head = {};  ///< what the model got in place of what was sent
  std::string echo = {};                         ///< put before the answer
  std::vector<AnswerToken> echo_logprobs = {};   ///< of the prompt's tokens
};

/// A choice as far as it is written, with how it ended.
struct ChoiceRecord {
  Choice choice;
  size_t prompt = 0;  ///< which of the prompts it answers
  uint64_t seed = 0;
  bool ended_itself = false;                        ///< the model wrote a token that ends answers
  std::optional<AnswerEnd> end = {};                ///< set once it is complete
  int64_t cached_tokens = 0, generated_tokens = 0;  ///< so far
  std::optional<int64_t> processed = {};            ///< of its prompt while that is read, as told
  std::optional<std::chrono::steady_clock::time_point> first_token = {};
};

/// How far the prompt of an answer is read, in tokens. From report to report `processed` rises,
/// from `cached` to `total`.
struct PromptProgress {
  int64_t total = 0, cached = 0, processed = 0;
  double time_ms = 0.0;  ///< since the request came
};

struct TokenUsage {
  int64_t prompt = 0, cached = 0, generated = 0;
};

/// All that is known of a request's answer; what writers make their texts of.
struct AnswerRecord {
  ModelService& service;
  const GenerationRequest& request;
  const std::vector<Prompt>& prompts;
  std::string id;  ///< of the request; protocols put their prefix before it
  std::time_t created = 0;
  std::chrono::steady_clock::time_point start;
  std::vector<ChoiceRecord> choices = {};

  bool complete() const;
  /// Of all choices; complete ones only.
  TokenUsage usage() const;
};

}  // namespace lazyllm::server
