// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tuning/heads.h"
#include "tuning/trials.h"

namespace lazyllm::tuning {

/// What a loss of `max_loss` (0.01 for 1 %) means in the figures that a trial gives.
struct TuneBound {
  explicit TuneBound(double loss) : max_loss(loss) {}
  double max_loss;

  double most_kl() const { return 4.0 * max_loss; }  ///< nats
  double least_same_top() const { return 1.0 - 8.0 * max_loss; }
  double least_loglik() const { return -2.0 * max_loss; }  ///< nats per token
  /// Needles are sure where they are found at all, so a loss shows in few of them.
  double least_needle_loglik() const { return -5.0 * max_loss; }
  double least_recall() const { return 1.0 - max_loss; }

  /// The names of what is outside of the bound; empty: nothing. The log-likelihood is outside if
  /// its 90 % interval is, or the mean itself by far: few prompts have wide intervals.
  std::string broken_by(const TuneLoss& loss) const;
  /// KL divergence or what the needles lose, in shares of the bound, whichever is more: what few
  /// prompts can tell.
  double risk(const TuneLoss& loss) const {
    return std::max(loss.kl / most_kl(), loss.needle_loglik / least_needle_loglik());
  }
  bool holds(const TuneLoss& loss) const { return broken_by(loss).empty(); }
};

struct TuneCandidate {
  PruningOptions pruning;
  TuneLoss loss;
};

/// Looks for the candidate with the least predicted time to first token whose loss stays within
/// the bound: a survey of layers and scores at one share, all shares at the best of these, then a
/// second cut behind the best ones, what is protected and how much comes back.
class TuneSearch {
 public:
  struct Options {
    /// "lazy"; or "tsp" or "static", to be compared with: these cut once, by their own scores, and
    /// bring nothing back.
    std::string policy = "lazy";
    /// Measured instead of a search, however long it takes. What they leave unset is as the search
    /// has it at first.
    std::vector<PruningOptions> only;
    double max_loss = 0.01;
    double most_work = 1.0;  ///< worth having at all
    /// Looks at a calibration prompt for the heads.
    std::function<void(HeadCalibration&, const TunePrompt&)> look;
    std::vector<bool> full_attention;  ///< by layer of the model
    /// Returns true when the time is up.
    std::function<bool()> out_of_time;
    std::function<void(const std::string& what)> progress;
  };

  TuneSearch(TuneTrials& trials, Options options);

  /// Runs the search. What is left undone for want of time is left out.
  void run();

  /// Candidates measured on all calibration prompts (or those that there was time for) and that no
  /// other one beats in both work and KL divergence, by rising work; those outside of the bound as
  /// well.
  std::vector<TuneCandidate> frontier() const;
  /// All of them, as they were measured.
  const std::vector<TuneCandidate>& measured() const { return measured_; }
  /// The fastest ones within the bound, measured anew on the held-out prompts; the first of them
  /// that keeps the bound there too.
  struct Choice {
    TuneCandidate candidate;
    TuneLoss held_out;
  };
  std::optional<Choice> choose();
  /// Why the fastest ones were not chosen, one line each.
  const std::vector<std::string>& refusals() const { return refusals_; }

 private:
  bool lazily() const { return options_.policy == "lazy"; }
  PruningOptions first_guess(const std::string& score, int layer, double share) const;
  PruningOptions completed(PruningOptions given) const;
  void calibrate_heads(std::span<const int> cuts);
  struct Place {
    int layer;
    std::string score;
    TuneLoss loss;  // at the share of the survey
  };
  std::vector<Place> survey();
  std::vector<PruningOptions> single_cuts(const std::vector<Place>& places) const;
  std::vector<PruningOptions> refined(const PruningOptions& base) const;
  std::vector<PruningOptions> near_bound(const std::vector<PruningOptions>& candidates,
                                         std::span<const size_t> prompts, double factor,
                                         double most_work) const;
  void measure(std::span<const PruningOptions> candidates, std::span<const size_t> prompts,
               const std::string& what, bool within_time = true);
  void measure_all(const std::vector<PruningOptions>& candidates, const std::string& what);
  std::vector<TuneCandidate> admissible() const;

  TuneTrials& trials_;
  Options options_;
  TuneBound bound_;
  std::map<int, std::string> heads_;  // by cut: the score of the heads found for it
  std::vector<size_t> calibration_, held_out_;
  std::vector<TuneCandidate> measured_;  // on all calibration prompts
  std::vector<std::string> refusals_;
};

}  // namespace lazyllm::tuning
