// SPDX-License-Identifier: Apache-2.0
#include "lazy/step.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace lazyllm::lazy {

using kernels::ConstFloatRows;
using kernels::FloatRows;

namespace {

/// Rows in work at a time: large enough that unpacking a weight is paid back, small enough
/// that a tile's activations stay near the cores; where they are multiplied as float32 they are
/// four times as large as 8-bit ones. Measured on a 1.1B shape: with 512 rows Q4_K_M is 10 % and
/// BF16 with dot products 7 % faster than with 256, BF16 with FMA 8 to 14 % slower.
constexpr size_t kTileRows = 512;
constexpr size_t kFloatTileRows = 256;
constexpr double kFloatInputBytes = 3.0;  ///< mean from which most of the inputs are float32

/// Tiles of about equal size, so that no small one is left over: each unpacks every weight.
size_t tile_size(size_t rows, size_t most) {
  const size_t tiles = (rows + most - 1) / most;
  return tiles == 0 ? 1 : (rows + tiles - 1) / tiles;
}

/// Rows of logits in memory at a time.
constexpr size_t kLogitRows = 8;

/// Work for one part: what it throws ends that part's share in the step, not the step.
template <typename Work>
void guarded(StepPart& part, const Work& work) {
  if (part.failed()) return;
  try {
    work();
  } catch (...) {
    part.fail(std::current_exception());
  }
}

class PhaseTimer {
 public:
  PhaseTimer(PhaseSeconds& seconds, Phase phase)
      : seconds_(seconds[static_cast<size_t>(phase)]), start_(Clock::now()) {}
  ~PhaseTimer() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& seconds_;
  Clock::time_point start_;
};

}  // namespace

Stepper::Stepper(const model::Transformer& transformer)
    : transformer_(transformer),
      h_(transformer.hyperparameters()),
      most_rows_(transformer.weights().mean_input_bytes(transformer.backend()) < kFloatInputBytes
                     ? kTileRows
                     : kFloatTileRows),
      own_part_(transformer) {
  for (int stage = 0; stage < transformer.stages(); ++stage) {
    workspaces_.emplace_back(h_, transformer.stage(stage).backend());
  }
}

const StepReport& Stepper::step(Sequence& sequence, Policy& policy, const StepRequest& request) {
  own_part_.begin(sequence, policy, request);
  StepPart* const parts[] = {&own_part_};
  begin(own_run_, parts);
  while (advance(own_run_)) {
  }
  if (own_part_.failed()) std::rethrow_exception(own_part_.failure());
  return own_part_.report();
}

void Stepper::begin(StepRun& run, std::span<StepPart* const> parts) {
  run.parts_.assign(parts.begin(), parts.end());
  run.layer_ = 0;
  run.layers_ = h_.kv_layers();
  run.seconds_.fill(0.0);
  for (const StepPart* part : parts) {
    if (part->request().stop_depth >= 0) run.layers_ = part->request().stop_depth;
    for (model::Workspace& each : workspaces_) each.rope().reserve(part->sequence().size());
  }
  plan_waves(run);
  enter_layer(run);
}

void Stepper::enter_layer(StepRun& run) {
  run.rows_ = 0;
  run.next_row_ = 0;
  if (run.done()) return;
  for (StepPart* part : run.parts_) {
    guarded(*part, [&] { part->enter_layer(run.layer_); });
    if (part->failed()) part->clear_pending();
    run.rows_ += part->pending().size();
  }
  run.tile_rows_ = tile_size(run.rows_, most_rows_);
  for (const StepPart* part : run.parts_) {
    const size_t step = part->tile_step();
    run.tile_rows_ = (run.tile_rows_ + step - 1) / step * step;
  }
}

bool Stepper::advance(StepRun& run) {
  if (run.done()) return false;
  if (run.next_row_ < run.rows_) {
    call_back(run);
    const size_t most = std::min(std::max(run.limit_, StepRun::kLeastTileRows), run.tile_rows_);
    cut_tile(run, std::min(most, run.rows_ - run.next_row_));
    const size_t count = positions_.size();
    workspace(run.layer_).reserve(static_cast<int64_t>(std::max(count, run.tile_rows_)));
    compute_tile(run);
    // Somebody waits for the end of this tile, so its time has to be known.
    if (run.limit_ != StepRun::kNoLimit) backend(run.layer_).finish();
    run.next_row_ += count;
    run.last_tile_rows_ = count;
  }
  if (run.next_row_ == run.rows_) finish_layer(run);
  return !run.done();
}

void Stepper::finish_layer(StepRun& run) {
  if (!run.in_last_wave()) {
    if (++run.layer_ == run.wave_depth_) {
      run.layer_ = 0;
      run.parts_.front()->end_set_at(run.wave_ends_[++run.wave_]);
    }
    enter_layer(run);
    return;
  }
  for (StepPart* part : run.parts_) {
    StepObserver* const observer = part->request().observer;
    if (observer == nullptr) continue;
    guarded(*part, [&] { observer->on_computed(run.layer_ + 1); });
  }
  if (run.layer_ + 1 < h_.kv_layers()) {
    const PhaseTimer timer(run.seconds_, Phase::pruning);
    for (StepPart* part : run.parts_) {
      const bool selects = run.layers_ == h_.kv_layers() || part->request().scores_though_stopped;
      if (selects) guarded(*part, [&] { part->leave_layer(run.layer_); });
    }
  }
  ++run.layer_;
  enter_layer(run);
  if (run.done()) {
    for (StepPart* part : run.parts_) part->report().seconds = run.seconds_;
  }
}

void Stepper::call_back(const StepRun& run) const {
  for (const StepPart* part : run.parts_) {
    const StepRequest& request = part->request();
    if (request.cancel != nullptr && request.cancel->load(std::memory_order_relaxed)) {
      fail(ErrorCode::cancelled, "cancelled");
    }
    if (request.progress) {
      const double done = run.layers_done();
      const auto layer = static_cast<int>(done);
      request.progress(layer, h_.kv_layers(), done - layer);
    }
  }
}

void Stepper::cut_tile(const StepRun& run, size_t count) {
  pieces_.clear();
  positions_.clear();
  size_t begin = run.next_row_;  // counted from the first row of the next part
  for (StepPart* part : run.parts_) {
    const size_t rows = part->pending().size();
    if (begin < rows && count > 0) {
      const size_t asked = std::min(count, rows - begin);
      const size_t taken = part->tile_rows(begin, asked, pieces_.empty());
      if (taken == 0) return;
      pieces_.push_back({part, begin, taken, std::ssize(positions_)});
      const std::span<const int32_t> tokens = pieces_.back().tokens();
      positions_.insert(positions_.end(), tokens.begin(), tokens.end());
      if (taken != asked) return;  // behind it would be the part's own rows
      count -= taken;
      begin = 0;
    } else {
      begin -= std::min(begin, rows);
    }
  }
}

void Stepper::compute_tile(StepRun& run) {
  const int layer = run.layer_;
  const bool finish_rows = layer + 1 < h_.kv_layers();
  const int64_t rows = std::ssize(positions_);
  model::Workspace& workspace = this->workspace(layer);
  const FloatRows hidden = workspace.hidden(rows);
  {
    const PhaseTimer timer(run.seconds_, Phase::linear);
    load_hidden(layer, hidden);
    transformer_.at(layer).project(layer, hidden, positions_, /*want_queries=*/finish_rows,
                                   workspace);
    append_kv(layer);
  }
  if (finish_rows) {
    const FloatRows q = workspace.q(layer, rows), attention = workspace.attention(layer, rows);
    {
      const PhaseTimer timer(run.seconds_, Phase::attention);
      for (const Piece& piece : pieces_) {
        const auto count = static_cast<int64_t>(piece.count);
        guarded(*piece.part, [&] {
          if (!h_.convolves(layer)) {
            piece.part->keep_queries(layer, piece.first, q.slice(piece.row, count));
          }
          piece.part->attend(layer, piece.tokens(), q.slice(piece.row, count),
                             attention.slice(piece.row, count));
        });
      }
    }
    const PhaseTimer timer(run.seconds_, Phase::linear);
    embed_for_layer(layer, pieces_);
    transformer_.at(layer).finish(layer, attention, hidden, workspace);
    store_hidden(layer, hidden);
  } else {
    // The last one with keys and values: only rows whose logits are wanted go past these.
    emit_results(run, hidden);
  }
  for (const Piece& piece : pieces_) {
    if (piece.part->failed()) continue;
    for (const int32_t token : piece.tokens()) piece.part->sequence().advance(token);
    piece.part->report().computed_pairs += piece.count;
  }
}

void Stepper::load_hidden(int layer, FloatRows hidden) {
  ids_.clear();
  source_rows_.clear();
  for (const Piece& piece : pieces_) {
    const Sequence& sequence = piece.part->sequence();
    for (const int32_t token : piece.tokens()) {
      ids_.push_back(sequence.tokens()[static_cast<size_t>(token)]);
      if (layer > 0) source_rows_.push_back(sequence.hidden(layer).row(token));
    }
  }
  if (layer == 0) {
    embed(hidden);
  } else if (transformer_.stage_at_depth(layer) == transformer_.stage_of(layer)) {
    backend(layer).gather(source_rows_, hidden);
  } else {
    backend(layer).gather_from(backend(layer - 1), source_rows_, hidden);
  }
}

template <typename Work>
void Stepper::embed_guarded(std::span<const Piece> pieces, const Work& work) {
  try {
    work(std::span<const int32_t>(ids_), 0);
  } catch (...) {  // one token's embedding is damaged
    for (const Piece& piece : pieces) {
      const auto ids =
          std::span<const int32_t>(ids_).subspan(static_cast<size_t>(piece.row), piece.count);
      guarded(*piece.part, [&] { work(ids, piece.row); });
    }
  }
}

void Stepper::embed(FloatRows hidden) {
  embed_guarded(pieces_, [&](std::span<const int32_t> ids, int64_t row) {
    transformer_.embed(ids, hidden.slice(row, std::ssize(ids)));
  });
}

void Stepper::embed_for_layer(int layer, std::span<const Piece> pieces) {
  if (h_.per_layer_size == 0) return;
  model::Workspace& workspace = this->workspace(layer);
  const FloatRows out = workspace.per_layer(std::ssize(ids_));
  embed_guarded(pieces, [&](std::span<const int32_t> ids, int64_t row) {
    transformer_.at(layer).embed_for_layer(layer, ids, out.slice(row, std::ssize(ids)), workspace);
  });
}

void Stepper::append_kv(int layer) {
  const int64_t rows = std::ssize(positions_);
  for (const Piece& piece : pieces_) {
    const KvCache& cache = piece.part->sequence().kv(layer);
    slots_.clear();
    for (const int32_t token : piece.tokens()) slots_.push_back(cache.slot(token));
    const auto count = static_cast<int64_t>(piece.count);
    backend(layer).append_kv(cache.view(), slots_,
                             workspace(layer).k(layer, rows).slice(piece.row, count),
                             workspace(layer).v(layer, rows).slice(piece.row, count));
  }
}

void Stepper::store_hidden(int layer, FloatRows hidden) {
  target_rows_.clear();
  for (const Piece& piece : pieces_) {
    const HiddenRows& rows = piece.part->sequence().hidden(layer + 1);
    for (const int32_t token : piece.tokens()) target_rows_.push_back(rows.row(token));
  }
  backend(layer).scatter(hidden, target_rows_);
}

void Stepper::emit_results(StepRun& run, ConstFloatRows hidden) {
  gather_wanted(run.layer_, hidden);
  if (wanted_.empty()) return;
  finish_wanted(run);
  bring_wanted_home(run.layer_);
  const auto wants_hidden = [](const Piece& piece) {
    return static_cast<bool>(piece.part->request().hidden);
  };
  for (auto from = wanted_.begin(); from != wanted_.end();) {
    const bool states = wants_hidden(*from);
    const auto to = std::find_if(from, wanted_.end(),
                                 [&](const Piece& piece) { return wants_hidden(piece) != states; });
    const std::span<const Piece> alike(from, to);
    states ? emit_hidden(run, alike) : emit_logits(run, alike);
    from = to;
  }
}

void Stepper::emit_logits(StepRun& run, std::span<const Piece> pieces) {
  const FloatRows hidden = workspaces_.front().hidden(std::ssize(positions_));
  const size_t end = pieces.back().first + pieces.back().count;
  size_t piece = 0;
  for (size_t begin = pieces.front().first; begin < end; begin += kLogitRows) {
    const size_t count = std::min(kLogitRows, end - begin);
    const auto width = static_cast<size_t>(h_.vocabulary_size);
    logits_.resize(count * width);
    {
      const PhaseTimer timer(run.seconds_, Phase::head);
      transformer_.logits(hidden.slice(static_cast<int64_t>(begin), static_cast<int64_t>(count)),
                          logits_, workspaces_.front());
    }
    for (size_t r = begin; r < begin + count; ++r) {
      while (r >= pieces[piece].first + pieces[piece].count) ++piece;
      StepPart& part = *pieces[piece].part;
      guarded(part, [&] {
        part.request().logits(positions_[r],
                              std::span(logits_).subspan((r - begin) * width, width));
      });
    }
  }
}

void Stepper::emit_hidden(StepRun& run, std::span<const Piece> pieces) {
  const FloatRows hidden = workspaces_.front().hidden(std::ssize(positions_));
  const auto width = static_cast<size_t>(h_.hidden_size);
  for (const Piece& piece : pieces) {
    states_.resize(piece.count * width);
    {
      const PhaseTimer timer(run.seconds_, Phase::head);
      transformer_.last_hidden(hidden.slice(piece.row, static_cast<int64_t>(piece.count)), states_,
                               workspaces_.front());
    }
    guarded(*piece.part, [&] {
      for (size_t r = 0; r < piece.count; ++r) {
        piece.part->request().hidden(positions_[piece.first + r],
                                     std::span(states_).subspan(r * width, width));
      }
    });
  }
}

void Stepper::gather_wanted(int layer, ConstFloatRows hidden) {
  wanted_.clear();
  positions_.clear();
  ids_.clear();
  source_rows_.clear();
  for (const Piece& piece : pieces_) {
    const size_t before = positions_.size();
    for (size_t i = 0; i < piece.count; ++i) {
      const int32_t token = piece.tokens()[i];
      if (!piece.part->wants_result_of(token)) continue;
      positions_.push_back(token);
      ids_.push_back(piece.part->sequence().tokens()[static_cast<size_t>(token)]);
      source_rows_.push_back(hidden.row(piece.row + static_cast<int64_t>(i)));
    }
    const size_t count = positions_.size() - before;
    if (count > 0) wanted_.push_back({piece.part, before, count, static_cast<int64_t>(before)});
  }
  const FloatRows compact = workspace(layer).hidden(std::ssize(positions_));
  // One after the other: rows only move up, so reading stays ahead of writing.
  for (int64_t r = 0; r < compact.rows; ++r) {
    const float* const row[] = {source_rows_[static_cast<size_t>(r)]};
    if (row[0] != compact.row(r)) backend(layer).gather(row, compact.slice(r, 1));
  }
}

void Stepper::finish_wanted(StepRun& run) {
  for (const Piece& piece : wanted_) {
    piece.part->report().finished_rows += static_cast<int64_t>(piece.count);
  }
  for (int layer = run.layer_; layer < h_.layers; ++layer) finish_wanted_in(run, layer);
}

void Stepper::finish_wanted_in(StepRun& run, int layer) {
  const int64_t rows = std::ssize(positions_);
  model::Workspace& workspace = this->workspace(layer);
  const FloatRows hidden = workspace.hidden(rows), attention = workspace.attention(layer, rows);
  {
    const PhaseTimer timer(run.seconds_, Phase::linear);
    transformer_.at(layer).project(layer, hidden, positions_, /*want_queries=*/true, workspace);
  }
  {
    const PhaseTimer timer(run.seconds_, Phase::attention);
    for (const Piece& piece : wanted_) {
      const auto count = static_cast<int64_t>(piece.count);
      guarded(*piece.part, [&] {
        piece.part->attend(layer, std::span(positions_).subspan(piece.first, piece.count),
                           workspace.q(layer, rows).slice(piece.row, count),
                           attention.slice(piece.row, count));
      });
    }
  }
  const PhaseTimer timer(run.seconds_, Phase::linear);
  embed_for_layer(layer, wanted_);
  transformer_.at(layer).finish(layer, attention, hidden, workspace);
}

void Stepper::bring_wanted_home(int layer) {
  if (transformer_.stage_of(layer) == 0) return;
  const int64_t rows = std::ssize(positions_);
  const FloatRows there = workspace(layer).hidden(rows);
  source_rows_.clear();
  for (int64_t r = 0; r < rows; ++r) source_rows_.push_back(there.row(r));
  workspaces_.front().reserve(rows);
  transformer_.backend().gather_from(backend(layer), source_rows_,
                                     workspaces_.front().hidden(rows));
}

}  // namespace lazyllm::lazy
