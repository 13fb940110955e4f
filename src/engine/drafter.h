// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "engine/step_cost.h"
#include "lazyllm/model.h"

namespace lazyllm::engine {

/// Guesses how an answer goes on, for tokens that are computed along with the next step
/// (VerifyingStep). What it guesses changes no answer, only how soon it comes.
class Drafter {
 public:
  virtual ~Drafter() = default;
  /// What was added to the conversation since the last call, and the token behind it, which the
  /// next step is for.
  virtual void follow(std::span<const TokenId> conversation, TokenId token) = 0;
  /// Tokens to be computed along with the next step, in which `rows_beside` rows are computed
  /// anyway: as many as are expected to pay, at most `room`. Stands until the next call.
  virtual std::span<const TokenId> propose(int64_t room, const StepCost& cost,
                                           int64_t rows_beside) = 0;
};

}  // namespace lazyllm::engine
