// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lazy/policy.h"
#include "lazy/selection.h"
#include "lazy/sequence.h"
#include "model/transformer.h"

namespace lazyllm::lazy {

/// Sees what the step does, layer by layer; for tests and for views of what was read.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  /// Entering a layer: the set S and, of it, the tokens that are computed now. 0-based layer.
  virtual void on_layer(int layer, std::span<const int32_t> set, std::span<const int32_t> pending) {
    (void)layer, (void)set, (void)pending;
  }
  /// After selection: the importance scores over `set`, and what stays of it.
  virtual void on_selection(int layer, std::span<const int32_t> set, std::span<const float> scores,
                            std::span<const int32_t> kept) {
    (void)layer, (void)set, (void)scores, (void)kept;
  }
};

/// Takes logits as they come: position and [vocabulary] values.
using LogitsSink = std::function<void(int64_t position, std::span<const float> logits)>;
/// Called with the layer in work, layers in all, and the share of its tokens that is done.
using StepProgress = std::function<void(int layer, int layers, double share)>;

struct StepRequest {
  std::span<const int32_t> new_tokens;
  StepKind kind = StepKind::prompt;
  /// Tokens [0, protect_first) and [tail_begin, tail_end) always stay.
  int64_t protect_first = 0;
  int64_t tail_begin = 0, tail_end = 0;
  RevivalBudget revive_budget;  ///< for StepKind::decode
  /// First token whose query may score: where the prompt began, if it came in chunks; -1: the
  /// first new token. Revived tokens never score.
  int64_t first_query = -1;
  /// Carry tokens to this depth only and give no logits; -1: all layers.
  int stop_depth = -1;
  /// Where logits are wanted; empty: at the last token. Rising; the tokens must be in
  /// flight in the last layer, so everything but the last token asks for policy dense.
  std::span<const int32_t> logit_positions;
  LogitsSink logits;
  const std::atomic<bool>* cancel = nullptr;
  StepProgress progress;
  StepObserver* observer = nullptr;
};

/// Where the time of a step went.
enum class Phase { linear, attention, pruning, head };
inline constexpr int kPhases = 4;

struct StepReport {
  std::vector<int64_t> set_sizes;  ///< |S| entering each layer
  int64_t revived = 0;             ///< tokens that left the Aux Cache
  uint64_t computed_pairs = 0;
  std::array<double, kPhases> seconds{};

  void clear() {
    set_sizes.clear();
    revived = 0;
    computed_pairs = 0;
    seconds.fill(0.0);
  }
};

/// The one function behind prefill, decode and a further turn (design: "a token is
/// a lazy computation"). For each layer: compute the tokens of S that wait at this
/// depth, with attention over all of S; at a pruning layer let the policy shrink S.
/// Works layer by layer, inside a layer in tiles of tokens. One per session; not thread-safe.
class Stepper {
 public:
  explicit Stepper(const model::Transformer& transformer);

  /// Errors: Error(cancelled), with the sequence valid: what was computed stays, and
  /// a later step goes on from there. The caller keeps tokens within the context.
  /// The report stands until the next step.
  const StepReport& step(Sequence& sequence, Policy& policy, const StepRequest& request);

  /// Inner products of the last token's query with all keys of `layer` (0-based), mean over heads.
  /// Only right after a step over the whole sequence with stop_depth = layer + 1.
  std::vector<float> last_query_products(const Sequence& sequence, int layer);

 private:
  struct Run;  // one step under way

  void compute_layer(Run& run, int layer);
  void compute_tile(Run& run, int layer, std::span<const int32_t> tile, bool finish_rows);
  void load_hidden(Run& run, int layer, std::span<const int32_t> tile, kernels::FloatRows hidden);
  void attend(Run& run, int layer, std::span<const int32_t> tile, kernels::FloatRows out);
  void keep_score_queries(Run& run, std::span<const int32_t> tile);
  void emit_logits(Run& run, std::span<const int32_t> tile, kernels::ConstFloatRows hidden);
  void prune(Run& run, int layer);
  std::span<const float> score_set(Run& run, int layer);
  void check_cancelled(const Run& run) const;

  const model::Transformer& transformer_;
  const model::Hyperparameters& h_;
  const kernels::Backend& backend_;
  model::Workspace workspace_;
  size_t most_rows_;  // of a tile

  // Scratch that keeps its capacity from step to step.
  std::vector<int32_t> set_, pending_, key_slots_, slots_, first_key_, end_key_, wanted_;
  std::vector<const float*> source_rows_;
  std::vector<float*> target_rows_;
  std::vector<float> scores_, logits_;
  std::vector<double> pool_sums_;
  Selector selector_;
  StepReport report_;
  std::vector<int32_t> query_tokens_;  // whose queries lie in score_queries_
  kernels::Buffer score_queries_;      // [window][q_size]
};

}  // namespace lazyllm::lazy
