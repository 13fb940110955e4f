// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluation/samples.h"
#include "lazyllm/evaluation/arm.h"
#include "lazyllm/lazyllm.h"
#include "lazyllm/research/pruning_trial.h"
#include "tuning/prompts.h"

namespace lazyllm::tuning {

/// How far a candidate is from the dense model on one prompt, or on several (means).
struct TuneLoss {
  int64_t prompts = 0;
  double kl = 0.0;                 ///< nats, mean over the tokens of the dense model's answers
  double same_top = 0.0;           ///< share of them with the same most likely token
  double loglik = 0.0;             ///< lazy - dense, nats per token of the right answers; an
                                   ///< answer counts half a nat at most
  double loglik_error = 0.0;       ///< standard error of that mean over prompts
  double needle_loglik = 0.0;      ///< the same of the needles alone
  int64_t needles = 0, found = 0;  ///< needles that the dense model finds, and those still found
  double work = 0.0;               ///< predicted time to first token, dense = 1

  double recall() const { return needles == 0 ? 1.0 : static_cast<double>(found) / needles; }
};

/// Runs candidates on prompts beside the dense model. Every trial is on disk as soon as it is
/// done, and none is made twice, also by a later run.
class TuneTrials {
 public:
  /// Called before each prompt and candidate; returns true to stop there.
  using Progress = std::function<bool(size_t prompts_done, size_t prompts)>;

  /// `state`: folder for the trials.
  TuneTrials(std::shared_ptr<const Model> model, const SessionOptions& session,
             const std::vector<TunePrompt>& prompts, const std::filesystem::path& state);

  /// Runs all candidates on each of the prompts. Prompts come in the outer loop, since candidates
  /// share the dense run and what lies before their first pruning layer.
  /// Errors: those of PruningTrial.
  void run(std::span<const PruningOptions> candidates, std::span<const size_t> prompts,
           const Progress& progress);
  /// Means over those of the prompts that the candidate was run on.
  TuneLoss loss(const PruningOptions& candidate, std::span<const size_t> prompts) const;

  /// A text that took long to find out (the heads of a cut) from `prompts` under `name`; kept on
  /// disk beside the trials. Null: not there yet.
  std::optional<std::string> found(const std::string& name, std::span<const size_t> prompts) const;
  void keep_found(const std::string& name, std::span<const size_t> prompts,
                  const std::string& text);

  const std::vector<TunePrompt>& prompts() const { return prompts_; }
  int64_t trials() const { return trials_; }  ///< that were run, not found on disk

 private:
  std::string key(const PruningOptions& candidate, size_t prompt) const;
  /// The trial's line if it was made before, or null.
  const evaluation::Samples::Json* known(const PruningOptions& candidate, size_t prompt) const;
  std::string key_of_found(const std::string& name, std::span<const size_t> prompts) const;
  evaluation::Samples::Json run_one(const PruningOptions& candidate, size_t prompt,
                                    PruningTrial& trial);
  double predicted_work(const PruningOptions& candidate, int64_t prompt_tokens,
                        const PruningTrial::Outcome& dense,
                        const PruningTrial::Outcome& lazy) const;

  std::shared_ptr<const Model> model_;
  SessionOptions session_;
  const std::vector<TunePrompt>& prompts_;
  std::vector<std::string> prompt_keys_;
  std::string made_for_;  // model and settings that a trial depends on
  evaluation::Samples done_;
  int64_t trials_ = 0;
};

}  // namespace lazyllm::tuning
