// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"
#include "tuning/prompts.h"

namespace lazyllm::tuning {

/// Finds the heads whose look at a prompt tells best what the layers behind a cut will need for
/// the answer. Nothing is trained: heads are taken one by one as long as they help.
class HeadCalibration {
 public:
  struct Options {
    int last_cut = 0;  ///< 1-based; heads of deeper layers come too late
    int pool = 1;      ///< of the score that will use the heads
    int64_t protect_first = 0, protect_last = 0;
    double keep = 0.3;  ///< share of the other tokens that stays
  };
  explicit HeadCalibration(const Options& options) : options_(options) {}

  /// Looks at one more prompt: a dense pass. Errors: those of answer_attention().
  void add(const Model& model, const TunePrompt& prompt);
  /// "heads:LAYER.HEAD=WEIGHT,..." for a cut after `layer`; empty if there was nothing to see.
  std::string score(int layer) const;

 private:
  struct Head {
    int layer = 0, head = 0;                // 1-based
    std::vector<double> mass;               // by prompt: of its look at the unprotected tokens
    std::vector<std::vector<float>> looks;  // by prompt: [tokens], pooled
    /// So that every head says as much as any other, on average.
    double weight() const;
  };
  static std::string to_score(std::vector<const Head*> heads);
  /// By prompt: [tokens], attention of all layers behind this one.
  std::vector<std::vector<float>> needed_behind(int layer) const;

  Options options_;
  std::vector<Head> heads_;
  /// By layer (1-based), then prompt: [tokens], attention in that layer on the way to the answer.
  std::vector<std::vector<std::vector<float>>> needed_;
};

}  // namespace lazyllm::tuning
