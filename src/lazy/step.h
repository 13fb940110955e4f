// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lazy/step_part.h"

namespace lazyllm::lazy {

/// A step under way: its parts, the layer they are in and the rows of it that are done. Between
/// two tiles it can lie as long as one likes while other steps run. Reusable.
class StepRun {
 public:
  /// The layer whose tokens come next, 0-based; the number of layers when all is done.
  int layer() const { return layer_; }
  bool done() const { return layer_ == layers_; }
  /// Of the work, 0 .. 1, all layers counted alike.
  double share() const {
    return layers_ == 0 ? 0.0 : layers_done() / layers_;  // 0: not begun
  }
  /// Below this a tile takes hardly less time.
  static constexpr size_t kLeastTileRows = 16;
  static constexpr size_t kNoLimit = SIZE_MAX;
  /// Most rows of the coming tiles, so that they end sooner; fewer than kLeastTileRows count as
  /// these. kNoLimit: what is best for speed.
  void limit_tile(size_t rows) { limit_ = rows; }
  size_t last_tile_rows() const { return last_tile_rows_; }
  std::span<StepPart* const> parts() const { return parts_; }

 private:
  friend class Stepper;
  /// Of the work so far.
  double layers_done() const {
    const double in_layer =
        rows_ == 0 ? 0.0 : static_cast<double>(next_row_) / static_cast<double>(rows_);
    const auto waves = static_cast<double>(wave_ends_.size());
    if (waves == 0.0 || layer_ >= wave_depth_) return layer_ + in_layer;
    return (static_cast<double>(wave_) * wave_depth_ + layer_ + in_layer) / waves;
  }
  bool in_last_wave() const { return wave_ + 1 >= wave_ends_.size(); }

  std::vector<StepPart*> parts_;
  // Where a model is split, a prompt flows through the stages in waves of tokens, down to
  // wave_depth_, so that all stages work; the last wave goes on to the end with all tokens.
  std::vector<int64_t> wave_ends_;  // one behind a wave's last token; empty: no waves
  size_t wave_ = 0;
  int wave_depth_ = 0;
  int layer_ = 0, layers_ = 0;      // layers_: to be passed
  size_t rows_ = 0, next_row_ = 0;  // of this layer, the parts' pending tokens one after another
  size_t tile_rows_ = 0, limit_ = kNoLimit, last_tile_rows_ = 0;
  PhaseSeconds seconds_{};
};

/// The one function behind prefill, decode and a further turn (design: "a token is
/// a lazy computation"). For each layer: compute the tokens of S that wait at this
/// depth, with attention over all of S; at a pruning layer let the policy shrink S.
/// Works layer by layer, inside a layer in tiles of tokens. The rows of several sequences share
/// tiles, each row with the bits it would have alone. One per thread; not thread-safe.
class Stepper {
 public:
  explicit Stepper(const model::Transformer& transformer);

  /// A whole step of one sequence.
  /// Errors: Error(cancelled), with the sequence valid: what was computed stays, and
  /// a later step goes on from there. The caller keeps tokens within the context.
  /// The report stands until the next step.
  const StepReport& step(Sequence& sequence, Policy& policy, const StepRequest& request);

  /// Makes a step of parts that have begun. Parts of one run go through the same layers.
  void begin(StepRun& run, std::span<StepPart* const> parts);
  /// Computes the next tile; at the end of a layer every part selects. True: there is more.
  /// What goes wrong in one part (its memory, its policy, its reader of logits) ends that part
  /// only: StepPart::failure() says so, and the bits of the others do not change.
  /// Errors: Error(cancelled) if a part's request says so; what concerns all parts.
  bool advance(StepRun& run);

  /// StepPart::last_query_products of the last step().
  std::vector<float> last_query_products(int layer) const {
    return own_part_.last_query_products(layer);
  }
  /// StepPart::query_attention of the step() under way.
  std::vector<float> query_attention(int layer, size_t query) const {
    return own_part_.query_attention(layer, query);
  }

 private:
  model::Workspace& workspace(int layer) {
    return workspaces_[static_cast<size_t>(transformer_.stage_of(layer))];
  }
  const kernels::Backend& backend(int layer) const { return transformer_.at(layer).backend(); }

  /// Rows of a tile that belong to one part: pending()[first, first + count), from tile row `row`.
  struct Piece {
    StepPart* part;
    size_t first, count;
    int64_t row;
    std::span<const int32_t> tokens() const { return part->pending().subspan(first, count); }
  };

  void plan_waves(StepRun& run) const;
  void enter_layer(StepRun& run);
  void finish_layer(StepRun& run);
  void call_back(const StepRun& run) const;
  void cut_tile(const StepRun& run, size_t count);
  void compute_tile(StepRun& run);
  void load_hidden(int layer, kernels::FloatRows hidden);
  void embed(kernels::FloatRows hidden);
  /// The per-layer embeddings of the pieces' tokens, where the model has them.
  void embed_for_layer(int layer, std::span<const Piece> pieces);
  /// work(ids, row) for all pieces at once; where that throws, piece by piece, so that what one
  /// part's tokens do is for that part to suffer.
  template <typename Work>
  void embed_guarded(std::span<const Piece> pieces, const Work& work);
  void append_kv(int layer);
  void store_hidden(int layer, kernels::FloatRows hidden);
  void emit_results(StepRun& run, kernels::ConstFloatRows hidden);
  void emit_logits(StepRun& run, std::span<const Piece> pieces);
  void emit_hidden(StepRun& run, std::span<const Piece> pieces);
  /// The rows whose logits or last hidden states are wanted become a tile of their own (wanted_,
  /// positions_). Their keys and values are computed along again: the same bits, and next to
  /// nothing for one row. They alone pass the layers that read keys and values of earlier ones.
  void gather_wanted(int layer, kernels::ConstFloatRows hidden);
  void finish_wanted(StepRun& run);
  void finish_wanted_in(StepRun& run, int layer);
  /// To stage 0, which has the head.
  void bring_wanted_home(int layer);

  const model::Transformer& transformer_;
  const model::Hyperparameters& h_;
  std::vector<model::Workspace> workspaces_;  // [stages]
  size_t most_rows_;                          // of a tile
  StepPart own_part_;                         // of step()
  StepRun own_run_;

  // The tile in work.
  std::vector<Piece> pieces_, wanted_;
  std::vector<int32_t> positions_, ids_, slots_;
  std::vector<const float*> source_rows_;
  std::vector<float*> target_rows_;
  std::vector<float> logits_, states_;
};

}  // namespace lazyllm::lazy
