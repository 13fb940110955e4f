// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/session.h"

namespace lazyllm {

/// One prompt and its continuation under many pruning options, beside the dense model. The dense
/// run comes first, and what it has at some depths is kept: options whose first pruning layer is
/// one of them start from there. What they give has the bits of a session that starts anew.
/// Used by one thread.
class PruningTrial {
 public:
  /// `depths`: layers (1-based) after which options may prune first; others start from nothing.
  /// `session`: cache types; its pruning options are not used.
  /// Errors: as Session::forced_logits.
  PruningTrial(std::shared_ptr<const Model> model, const SessionOptions& session,
               std::vector<TokenId> prompt, std::vector<TokenId> continuation,
               std::span<const int> depths);
  ~PruningTrial();
  PruningTrial(const PruningTrial&) = delete;
  PruningTrial& operator=(const PruningTrial&) = delete;

  struct Outcome {
    std::vector<std::vector<float>> logits;  ///< as those of Session::forced_logits
    std::vector<int64_t> kept_per_layer;     ///< of the prompt
    double linear_ms = 0.0, attention_ms = 0.0, head_ms = 0.0;  ///< of what was computed
  };
  const Outcome& dense() const;
  /// Policy lazy. Errors: Error(usage) for options that the model cannot have.
  Outcome run(const PruningOptions& options);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
