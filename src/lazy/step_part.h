// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lazy/policy.h"
#include "lazy/scores/lookahead.h"
#include "lazy/selection.h"
#include "lazy/sequence.h"
#include "lazy/sparse_attention.h"
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
  /// All tokens of a layer are computed and stand at `depth`; selection comes next.
  virtual void on_computed(int depth) { (void)depth; }
  /// The least depth whose on_computed() looks at rows of tokens; they stand there together then.
  /// 0: it may be any.
  virtual int rows_wanted_from() const { return 0; }
  /// After selection: the importance scores over `set`, and what stays of it.
  virtual void on_selection(int layer, std::span<const int32_t> set, std::span<const float> scores,
                            std::span<const int32_t> kept) {
    (void)layer, (void)set, (void)scores, (void)kept;
  }
};

/// Takes logits as they come: position and [vocabulary] values.
using LogitsSink = std::function<void(int64_t position, std::span<const float> logits)>;
/// Takes last hidden states as they come: position and [hidden_size] values behind the final norm.
using HiddenSink = std::function<void(int64_t position, std::span<const float> hidden)>;
/// Called with the layer in work, layers in all, and the share of its tokens that is done.
using StepProgress = std::function<void(int layer, int layers, double share)>;

class StepPart;

/// What one sequence wants of a step. What it points to stays until the step is over.
struct StepRequest {
  std::span<const int32_t> new_tokens;
  StepKind kind = StepKind::prompt;
  /// Tokens [0, protect_first), [tail_begin, tail_end) and the ranges (rising, disjoint) always
  /// stay.
  int64_t protect_first = 0;
  int64_t tail_begin = 0, tail_end = 0;
  std::span<const TokenRange> protected_ranges;
  RevivalBudget revive_budget;  ///< for StepKind::decode
  AttentionForm attention;      ///< for StepKind::prompt
  /// First token whose query may score: where the prompt began, if it came in chunks; -1: the
  /// first new token. Revived tokens never score.
  int64_t first_query = -1;
  /// Carry tokens to this depth only and give no logits; -1: all layers.
  int stop_depth = -1;
  /// Such a step hands the policy no scores, unless it is for them that it is made.
  bool scores_though_stopped = false;
  /// A chain: the step of the token before, made in the same run. Each part has the bits that it
  /// would have if the one before were over; take_back() undoes those at the end of the chain.
  const StepPart* after = nullptr;
  /// Where logits (or hidden states) are wanted; empty: at the last token. Rising; the tokens must
  /// be in flight in the last layer, so everything but the last token asks for policy dense.
  std::span<const int32_t> logit_positions;
  LogitsSink logits;
  /// The last hidden states of these positions instead of their logits, where it is set.
  HiddenSink hidden;
  const std::atomic<bool>* cancel = nullptr;
  StepProgress progress;
  StepObserver* observer = nullptr;
};

/// Where the time of a step went.
enum class Phase { linear, attention, pruning, head };
inline constexpr int kPhases = 4;
using PhaseSeconds = std::array<double, kPhases>;

struct StepReport {
  std::vector<int64_t> set_sizes;  ///< |S| entering each layer
  int64_t revived = 0;             ///< tokens that left the Aux Cache
  int64_t finished_rows = 0;       ///< rows with results, which passed all layers
  uint64_t computed_pairs = 0;
  /// (query, key) pairs of the layers' attention, and what there would be if all was dense.
  uint64_t attended_pairs = 0, causal_pairs = 0;
  PhaseSeconds seconds{};  ///< of the step, shared by all its parts

  void clear() {
    set_sizes.clear();
    revived = 0;
    computed_pairs = attended_pairs = causal_pairs = 0;
    finished_rows = 0;
    seconds.fill(0.0);
  }
};

/// One sequence's part in a step: the set S as it shrinks, which tokens of it wait at the
/// current layer, and the queries that will score it. Keeps its memory from step to step.
class StepPart {
 public:
  explicit StepPart(const model::Transformer& transformer);

  /// Appends the new tokens; S becomes the whole sequence.
  void begin(Sequence& sequence, Policy& policy, const StepRequest& request);
  /// Layers that no selection and nobody who looks on forbids to pass in chunks of tokens.
  int free_depth() const;
  /// Last rows of a prompt whose queries may score.
  size_t scoring_rows() const { return static_cast<size_t>(std::max(1, policy_->score().window)); }
  /// S becomes the sequence's tokens up to this one, which are all its pending ones for now.
  void end_set_at(int64_t end);
  /// Finds the tokens of S that wait at this depth, gives S its slots in the layer's cache and the
  /// waiting tokens their rows: what a part needs memory for, it takes here.
  void enter_layer(int layer);
  /// Keeps what the layer's scores will want of these rows: `first` is the index in pending() of
  /// the first, q are the tile's queries [rows][q_size] from that token on.
  void keep_queries(int layer, size_t first, kernels::ConstFloatRows q);
  /// Of `most` pending tokens from `first` on as many as one tile may take, so that no chunk of
  /// sparse attention is cut; 0 where that is none and the tile has others already.
  size_t tile_rows(size_t first, size_t most, bool at_least_one) const;
  /// Rows that a tile is best a multiple of.
  size_t tile_step() const { return sparse_.any() ? static_cast<size_t>(sparse_.chunk_size()) : 1; }
  /// out = attention of `queries` (rising, all in S) over their part of S, or the layer's
  /// convolution over them and the tokens before them. Whole chunks, where tile_rows() says so.
  /// `layer` is the one that was entered, or behind the last that can be entered one that reads
  /// keys and values of another.
  void attend(int layer, std::span<const int32_t> queries, kernels::ConstFloatRows q,
              kernels::FloatRows out);
  /// At a pruning layer: scores S and keeps what the policy says.
  void leave_layer(int layer);

  /// Of a part in a chain, from the last one on: the sequence as if the part had not been made. Its
  /// new tokens go, and those that it revived stand where they stood.
  void take_back();
  /// A token that was revived and where it stood before.
  struct Revived {
    int32_t token;
    int depth;
  };
  /// Of a part that stands behind another one in a chain.
  std::span<const Revived> revived() const { return revived_; }

  /// Something of this part alone went wrong: it takes no more part in the step, whose other parts
  /// go on. Its sequence is to be cut back to what it was before the step.
  void fail(std::exception_ptr failure) { failure_ = std::move(failure); }
  bool failed() const { return failure_ != nullptr; }
  std::exception_ptr failure() const { return failure_; }
  /// Of a failed part: no more rows from the next layer on.
  void clear_pending() { pending_.clear(); }

  Sequence& sequence() const { return *sequence_; }
  const StepRequest& request() const { return request_; }
  std::span<const int32_t> pending() const { return pending_; }
  /// Whether the token's logits or last hidden state are wanted.
  bool wants_result_of(int32_t token) const;
  StepReport& report() { return report_; }
  const StepReport& report() const { return report_; }

  /// Inner products of the last token's query with all keys of `layer` (0-based), mean over heads.
  /// Only right after a step over the whole sequence with stop_depth = layer + 1.
  std::vector<float> last_query_products(int layer) const;
  /// Probabilities over the set of one scoring query (0: the first of the window), head by head:
  /// [heads][set]. Only from Policy::combine, for the layer (0-based) that it was called for.
  std::vector<float> query_attention(int layer, size_t query) const;
  /// Which tokens' queries score here, rising. Only from Policy::combine.
  std::span<const int32_t> scoring_tokens() const { return query_tokens_; }
  /// Probabilities over the set [set] of heads that weigh as much as `weights` [heads] says, mean
  /// over the scoring queries [first, first + count). As query_attention.
  void weighted_attention(int layer, std::span<const float> weights, size_t first, size_t count,
                          std::span<float> scores) const;

 private:
  void convolve(int layer, std::span<const int32_t> queries, kernels::ConstFloatRows gate,
                kernels::FloatRows out);
  const kernels::Backend& backend(int layer) const { return transformer_.at(layer).backend(); }
  const float* score_queries(int layer) const {
    return score_queries_[static_cast<size_t>(transformer_.stage_of(layer))].floats();
  }
  void find_shared_slots();
  std::span<const int32_t> key_slots(int layer) const;
  bool is_protected(int32_t token) const;
  bool is_computed_before(int32_t token) const;
  bool is_carried_before(int32_t token) const;
  void note_revived(int32_t token, int layer);
  Standing standing_of(int32_t token, int done) const;
  bool can_look_ahead(int layer) const;
  void attend_densely(int layer, std::span<const int32_t> queries, kernels::ConstFloatRows q,
                      kernels::FloatRows out);
  kernels::AttentionInput attention_input(int layer, kernels::ConstFloatRows q) const;
  std::span<const float> score_set(int layer);

  const model::Transformer& transformer_;
  const model::Hyperparameters& h_;
  Sequence* sequence_ = nullptr;
  Policy* policy_ = nullptr;
  StepRequest request_;
  StepReport report_;
  std::exception_ptr failure_;
  int32_t first_query_ = 0;  // tokens from here on may score with their queries
  int32_t last_token_ = 0;   // of the sequence as this part sees it
  int64_t new_begin_ = 0;    // tokens of the sequence before the new ones
  int64_t revivals_left_ = -1;

  std::vector<Revived> revived_;
  std::vector<float> revived_rows_;  // [revived][hidden_size], where they stood
  std::vector<int32_t> set_, pending_, pending_before_, key_slots_, first_key_, end_key_;
  std::vector<int32_t> input_slots_;                // of a convolution, [queries][taps]
  std::vector<std::vector<int32_t>> shared_slots_;  // of S, by the layer whose K,V others read
  std::vector<float> scores_, masses_;
  PoolScratch pool_scratch_;
  SparseAttention sparse_;
  Selector selector_;
  std::vector<int32_t> query_tokens_;  // whose queries lie in score_queries_
  std::vector<const float*> query_rows_;
  std::vector<kernels::Buffer> score_queries_;  // [stages] of [window][q_size]
  std::unique_ptr<Lookahead> lookahead_;        // made when a policy first asks for it
};

}  // namespace lazyllm::lazy
