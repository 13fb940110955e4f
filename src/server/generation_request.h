// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lazyllm/profile.h"
#include "lazyllm/scheduler.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// What requests that say nothing get.
struct RequestDefaults {
  PruningOptions pruning;          ///< of the flags; names no profile
  std::optional<Profile> profile;  ///< gives what flags and request leave open
  GenerationOptions generation;
  bool random_seed = true;
  bool reasoning = true;  ///< the template's enable_thinking
  bool verbose = false;   ///< answers tell their prompt
};

/// What chat and plain completions have in common, as far as it is the same for all choices.
struct GenerationRequest {
  AnswerRequest answer;  ///< without its prompt
  int64_t choices = 1;
  bool random_seed = true;  ///< none was given: each choice gets its own
  bool stream = false;
  bool include_usage = false;      ///< a last chunk with the usage
  bool return_progress = false;    ///< chunks about the prefill
  bool timings_per_token = false;  ///< in every chunk
  bool verbose = false;            ///< the answer tells its prompt
};

/// A text's tokens, without such as stand before every prompt.
using Tokenize = std::function<std::vector<TokenId>(const std::string& text)>;

/// Reads the fields of sampling, stopping, streaming and pruning.
/// `vocabulary`: number of tokens, and `tokenize`, for logit_bias. Errors: RequestError 400.
GenerationRequest parse_generation(const Fields& body, const RequestDefaults& defaults,
                                   int64_t vocabulary, const Tokenize& tokenize = {});

/// The object "lazy" over `defaults`.
PruningOptions parse_pruning(const Fields& lazy, PruningOptions defaults);

/// `strict`: the request names this model, or none; otherwise any name is right, so that clients
/// with a name built in work. Errors: RequestError 404.
void check_model_name(const Fields& body, const std::string& name, bool strict);

}  // namespace lazyllm::server
