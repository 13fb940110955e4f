// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "engine/drafter.h"
#include "engine/generation.h"
#include "lazy/step.h"

namespace lazyllm::engine {

/// A small model with the same vocabulary writes on, greedily, and the large one checks:
/// speculative decoding. The small one reads prompts lazily, with its profile or the default
/// preset. It goes on while its next token is likely enough to be right for the time that it takes,
/// which is learned from how often tokens of such a probability were; where it does not pay at all
/// it rests for a while. One thread at a time.
class ModelDrafter : public Drafter {
 public:
  /// `cancel`: ends its steps, too. Errors: Error(usage) for a vocabulary that is another one, or
  /// for a number of tokens that makes no sense.
  ModelDrafter(std::shared_ptr<const Model> draft, const Model& target, int most,
               const std::atomic<bool>* cancel);

  void follow(std::span<const TokenId> conversation, TokenId token) override;
  /// Errors: Error(cancelled).
  std::span<const TokenId> propose(int64_t room, const StepCost& cost,
                                   int64_t rows_beside) override;

 private:
  struct Guess {
    TokenId token = 0;
    double probability = 0.0;
  };
  /// How often guesses of about such a probability were right, of late.
  struct Accuracy {
    double right = 0.0, tried = 1.0;
  };
  static constexpr int kBuckets = 8;

  void learn();
  void rest();
  void catch_up();
  Guess best_guess() const;
  Accuracy& accuracy(double probability);

  Generation generation_;
  lazy::Stepper stepper_;
  int64_t most_, context_, vocabulary_;
  const std::atomic<bool>* cancel_;
  std::vector<TokenId> text_;  // the conversation with the token of the next step
  std::vector<TokenId> draft_;
  std::vector<Guess> guesses_;  // of the last draft, and the one that it ended before
  size_t draft_end_ = 0;        // of text_ when it was made
  std::array<Accuracy, kBuckets> accuracy_;
  double token_seconds_ = 0.0;        // of one token of the small model; 0: not known
  double spent_ = 0.0;                // on the last draft
  double usual_ = 0.0;                // what a token takes without drafts
  double gained_ = 0.0;               // seconds, of late
  int64_t rest_ = 0, next_rest_ = 0;  // tokens
};

}  // namespace lazyllm::engine
