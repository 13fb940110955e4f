// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
  enum class Kind {
    layer,       ///< the pruning layer's probabilities, mean over its heads: the paper's
    heads,       ///< weighted sum over chosen heads of the layers up to the pruning layer
    accumulate,  ///< mean of the last `layers` layers' scores
    peak,        ///< the most that any head of the last `layers` layers gives from any query
    ahead,       ///< what the next `layers` layers would look at (scores/lookahead.h)
  };
  int window = 1;  ///< mean over the queries of the last `window` positions; 1 is the paper's
  /// Then the mean over `pool` neighbours in the order of the set (of a peak: spread_scores);
  /// 1 is the paper's.
  int pool = 1;
  Kind kind = Kind::layer;
  std::vector<HeadWeight> heads = {};  ///< Kind::heads: rising by layer, then head
  int layers = 1;                      ///< Kind::accumulate, peak and ahead

  /// What the pool is at least where nobody names one: a peak without its reach keeps the place
  /// where an answer begins and little of the answer.
  int least_default_pool() const { return kind == Kind::peak ? 41 : 1; }

  static constexpr int kAllLayers = 4096;  ///< Kind::ahead: to the end of the model

  /// Reads --score: "last", "window:W", "heads:LAYER.HEAD=WEIGHT,...", "accumulate:N", "peak:N",
  /// these three also with "@W" for a window, "ahead" or "ahead:N"; the pool stays.
  /// Errors: Error(usage).
  void parse(std::string_view text);
  /// What parse() reads; without the pool.
  std::string to_string() const;
  std::string describe() const;
};

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

/// Null for Kind::layer and ahead, which carry nothing. `pruning_layers` are 1-based and rising,
/// `heads` the model's query heads. Errors: Error(usage) for a head that the model does not have,
/// or a pruning layer that no chosen head lies before.
std::unique_ptr<LayerScores> make_layer_scores(const ImportanceScore& score,
                                               std::span<const int> pruning_layers, int heads);

// One file each in scores/.
std::unique_ptr<LayerScores> make_heads_score(const ImportanceScore& score,
                                              std::span<const int> pruning_layers, int heads);
std::unique_ptr<LayerScores> make_accumulated_score(const ImportanceScore& score,
                                                    std::span<const int> pruning_layers);

}  // namespace lazyllm::lazy
