// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lazyllm/model.h"
#include "lazyllm/options.h"

namespace lazyllm::evaluation {

/// One of the runs that are compared.
struct Arm {
  /// "dense", "lazy@15:0.3+score-pool=7": everything of the pruning that is set, as it stands in
  /// the samples.
  std::string name;
  SessionOptions session;
  std::string profile = {};  ///< what the profile that applies sets; empty without one

  const std::string& policy() const { return session.pruning.policy; }
  /// What the others are compared with.
  bool is_dense() const {
    return policy() == "dense" && session.pruning.attention.value_or("dense") == "dense";
  }
};

/// All that is set, as `lazyllm eval --policy` has it: "lazy@15:0.3+score-pool=7". Equal texts mean
/// equal options.
std::string describe(const PruningOptions& pruning);

/// Everything that a result with this run depends on beside the prompt: a sample made with another
/// text is not used again.
std::string fingerprint(const Arm& arm, const ModelInfo& model);

}  // namespace lazyllm::evaluation
