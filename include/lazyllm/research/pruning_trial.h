// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/session.h"

namespace lazyllm {

/// One prompt and its answer under many pruning options, beside the dense model. The dense run
/// comes first, and what it has at some depths is kept: options whose first pruning layer is one
/// of them start from there. What they give has the bits of a session that starts anew.
/// Each run is forced to write two answers: the right one, and the one that the dense model writes
/// by itself, greedily. Used by one thread.
class PruningTrial {
 public:
  static constexpr int64_t kOwnTokens = 16;

  /// `depths`: layers (1-based) after which options may prune first; others start from nothing.
  /// `own_tokens`: most of the dense model's own answer, one at least; the token that ends it is a
  /// part of it.
  /// `protected_ranges`: of the prompt, never pruned (ChatPrompt::protected_ranges).
  /// `session`: cache types; its pruning options are not used.
  /// Errors: as Session::forced_logits.
  PruningTrial(std::shared_ptr<const Model> model, const SessionOptions& session,
               std::vector<TokenId> prompt, std::vector<TokenId> answer,
               std::span<const int> depths, int64_t own_tokens = kOwnTokens,
               std::vector<TokenRange> protected_ranges = {});
  ~PruningTrial();
  PruningTrial(const PruningTrial&) = delete;
  PruningTrial& operator=(const PruningTrial&) = delete;

  struct Outcome {
    std::vector<std::vector<float>> logits;      ///< as those of Session::forced_logits
    std::vector<std::vector<float>> own_logits;  ///< the same for own_answer()
    std::vector<int64_t> kept_per_layer;         ///< of the prompt
    double linear_ms = 0.0, attention_ms = 0.0, head_ms = 0.0;  ///< of what was computed
  };
  const Outcome& dense() const;
  /// The dense model's.
  const std::vector<TokenId>& own_answer() const;
  /// Policies lazy, tsp and static. Errors: Error(usage) for options that the model cannot have.
  Outcome run(const PruningOptions& options);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
