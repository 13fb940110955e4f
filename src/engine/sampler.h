// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "lazyllm/options.h"

namespace lazyllm::engine {

/// Chooses the next token from logits: logit bias, penalties, top-k, top-p, min-p, temperature, in
/// llama.cpp's order. Same seed, same choices. Not thread-safe.
class Sampler {
 public:
  /// Errors: Error(usage) for values that make no sense.
  explicit Sampler(const SamplingOptions& options);

  /// `recent`: the conversation so far, for the penalties. A logit of minus infinity is never
  /// chosen.
  /// Errors: Error(internal) if no logit is a number; Error(invalid_input) if a constraint and the
  /// logit bias leave no token.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> recent);

  struct Chance {
    int32_t token = 0;
    double probability = 0.0;
  };
  /// What the last token was drawn from, by descending probability; together 1.
  std::vector<Chance> last_chances() const;

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };

  void add_bias();
  void penalise(std::span<const int32_t> recent);
  int32_t greedy() const;
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  int32_t draw();

  SamplingOptions options_;
  std::mt19937_64 generator_;
  std::vector<Candidate> candidates_;  // after top-k: by descending logit
  int32_t last_ = 0;
};

}  // namespace lazyllm::engine
