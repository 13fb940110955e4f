// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazy/scores/score_form.h"

namespace lazyllm::lazy {

/// A head that calibration found to look at what matters.
struct HeadWeight {
  int layer = 0;  ///< 1-based, like the layers of a schedule
  int head = 0;   ///< 1-based query head
  float weight = 1.0f;
  bool operator==(const HeadWeight&) const = default;
};

/// How attention becomes one importance score per token (paper, Eq. 1, and beyond it).
struct ImportanceScore {
  int window = 1;  ///< mean over the queries of the last `window` positions; 1 is the paper's
  /// Then the mean over `pool` neighbours in the order of the set (of a peak: spread_scores);
  /// 1 is the paper's.
  int pool = 1;
  const ScoreForm* form = &paper_score();  ///< never null
  std::vector<HeadWeight> heads = {};      ///< of `heads`: rising by layer, then head
  int layers = 1;                          ///< of `accumulate`, `peak` and `ahead`

  static constexpr int kAllLayers = 4096;  ///< of `ahead`: to the end of the model

  /// Reads --score, one of scores/; the pool stays. Errors: Error(usage).
  void parse(std::string_view text);
  /// What parse() reads; without the pool.
  std::string to_string() const { return form->print(*this); }
  std::string describe() const;
};

inline constexpr std::string_view kBadLayers = "N must be a number of layers, from 1 on";
/// "@W", or nothing for a single query.
std::string print_window(const ImportanceScore& score);

/// scores[i] = mean of scores over the `pool` entries centred on i; at the ends over those that
/// exist.
void pool_scores(std::span<float> scores, int pool, std::vector<double>& scratch);

/// scores[i] = the highest of scores[i - 7/8 reach .. i + 1/8 reach], one that is far away counting
/// up to a quarter less: who looks at a token reads on behind it, so what follows must stay too.
void spread_scores(std::span<float> scores, int reach, std::vector<float>& scratch);

struct PoolScratch {
  std::vector<double> sums;
  std::vector<float> scores;
};
/// The one of both that goes with the score.
void pool_scores(std::span<float> scores, const ImportanceScore& score, PoolScratch& scratch);

/// Carries scores from layer to layer of a step. Layers are 1-based and rise within a step.
/// One per session; called by one thread.
class LayerScores {
 public:
  virtual ~LayerScores() = default;
  /// Whether the layer's attention is wanted although it prunes nothing.
  virtual bool reads(int layer) const = 0;
  /// [heads] for Backend::attention_scores; empty: the plain mean.
  virtual std::span<const float> head_weights(int layer) const = 0;
  /// Takes one layer's scores of the tokens in `set` and leaves the importance so far in them.
  virtual void combine(int layer, std::span<const int32_t> set, std::span<float> scores) = 0;
};

/// Over the last score.layers layers: the mean, or the highest. For scores/accumulate, scores/peak.
std::unique_ptr<LayerScores> make_accumulated_score(const ImportanceScore& score,
                                                    std::span<const int> pruning_layers,
                                                    bool highest);

}  // namespace lazyllm::lazy
