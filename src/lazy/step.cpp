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
/// that a tile's activations stay near the cores. Those of float weights are four times as large
/// as quantised ones. Measured on a 1.1B shape: Q4_K_M is 10 % faster with 512 rows than with 256,
/// BF16 8 % slower.
constexpr size_t kTileRows = 512;
constexpr size_t kFloatTileRows = 256;

/// Tiles of about equal size, so that no small one is left over: each unpacks every weight.
size_t tile_size(size_t rows, size_t most) {
  const size_t tiles = (rows + most - 1) / most;
  return tiles == 0 ? 1 : (rows + tiles - 1) / tiles;
}

/// Rows of logits in memory at a time.
constexpr int64_t kLogitRows = 8;

class PhaseTimer {
 public:
  PhaseTimer(StepReport& report, Phase phase)
      : seconds_(report.seconds[static_cast<size_t>(phase)]), start_(Clock::now()) {}
  ~PhaseTimer() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& seconds_;
  Clock::time_point start_;
};

}  // namespace

struct Stepper::Run {
  Sequence& sequence;
  Policy& policy;
  const StepRequest& request;
  StepReport& report;
  int layers = 0;           // to be passed
  int32_t first_query = 0;  // tokens from here on may score with their queries
  int64_t revivals_left = -1;
};

Stepper::Stepper(const model::Transformer& transformer)
    : transformer_(transformer),
      h_(transformer.hyperparameters()),
      backend_(transformer.backend()),
      workspace_(transformer.hyperparameters(), transformer.backend()),
      most_rows_(transformer.weights().bits_per_value() < 12.0 ? kTileRows : kFloatTileRows) {}

void Stepper::check_cancelled(const Run& run) const {
  if (run.request.cancel != nullptr && run.request.cancel->load(std::memory_order_relaxed)) {
    fail(ErrorCode::cancelled, "cancelled");
  }
}

const StepReport& Stepper::step(Sequence& sequence, Policy& policy, const StepRequest& request) {
  report_.clear();
  Run run{sequence, policy, request, report_};
  run.layers = request.stop_depth < 0 ? h_.layers : request.stop_depth;
  run.first_query =
      static_cast<int32_t>(request.first_query < 0 ? sequence.size() : request.first_query);
  if (request.kind == StepKind::decode) run.revivals_left = request.revive_budget.tokens;
  sequence.append(request.new_tokens);
  workspace_.rope().reserve(sequence.size());

  set_.clear();  // pushed one by one: from a pruned set, resize() would take new memory every time
  for (int64_t i = 0; i < sequence.size(); ++i) set_.push_back(static_cast<int32_t>(i));
  for (int layer = 0; layer < run.layers; ++layer) {
    if (sequence.any_frozen()) {
      std::erase_if(set_,
                    [&](int32_t t) { return sequence.frozen(t) && sequence.depth(t) <= layer; });
    }
    run.report.set_sizes.push_back(static_cast<int64_t>(set_.size()));
    compute_layer(run, layer);
    if (request.stop_depth < 0 && layer + 1 < h_.layers) prune(run, layer);
  }
  return report_;
}

void Stepper::compute_layer(Run& run, int layer) {
  pending_.clear();
  for (const int32_t token : set_) {
    LAZYLLM_CHECK(run.sequence.depth(token) >= layer || run.request.stop_depth >= 0);
    if (run.sequence.depth(token) == layer) pending_.push_back(token);
  }
  if (run.request.observer != nullptr) run.request.observer->on_layer(layer, set_, pending_);

  KvCache& cache = run.sequence.kv(layer);
  key_slots_.clear();
  // Slots are given out before the first tile, so that the key list stands for all
  // tiles; a slot is only read once its token was appended (causality).
  for (const int32_t token : set_) key_slots_.push_back(cache.acquire(token));

  query_tokens_.clear();
  const size_t tile_rows = tile_size(pending_.size(), most_rows_);
  workspace_.reserve(static_cast<int64_t>(tile_rows));
  for (size_t begin = 0; begin < pending_.size(); begin += tile_rows) {
    check_cancelled(run);
    if (run.request.progress) {
      run.request.progress(layer, h_.layers,
                           static_cast<double>(begin) / static_cast<double>(pending_.size()));
    }
    const size_t count = std::min(tile_rows, pending_.size() - begin);
    compute_tile(run, layer, std::span(pending_).subspan(begin, count), layer + 1 < h_.layers);
  }
}

void Stepper::compute_tile(Run& run, int layer, std::span<const int32_t> tile, bool finish_rows) {
  const auto rows = static_cast<int64_t>(tile.size());
  const FloatRows hidden = workspace_.hidden(rows);
  KvCache& cache = run.sequence.kv(layer);
  {
    const PhaseTimer timer(run.report, Phase::linear);
    load_hidden(run, layer, tile, hidden);
    transformer_.project(layer, hidden, tile, /*want_queries=*/finish_rows, workspace_);
    slots_.clear();
    for (const int32_t token : tile) slots_.push_back(cache.slot(token));
    backend_.append_kv(cache.view(), slots_, workspace_.k(rows), workspace_.v(rows));
  }
  if (finish_rows) {
    keep_score_queries(run, tile);
    attend(run, layer, tile, workspace_.attention(rows));
    const PhaseTimer timer(run.report, Phase::linear);
    transformer_.finish(layer, workspace_.attention(rows), hidden, workspace_);
    target_rows_.clear();
    for (const int32_t token : tile) target_rows_.push_back(run.sequence.hidden().acquire(token));
    backend_.scatter(hidden, target_rows_);
  } else {
    // Last layer: only rows whose logits are wanted go past the keys and values.
    emit_logits(run, tile, hidden);
  }
  for (const int32_t token : tile) run.sequence.advance(token);
  run.report.computed_pairs += tile.size();
}

void Stepper::load_hidden(Run& run, int layer, std::span<const int32_t> tile, FloatRows hidden) {
  if (layer == 0) {
    const std::vector<int32_t>& tokens = run.sequence.tokens();
    slots_.clear();
    for (const int32_t token : tile) slots_.push_back(tokens[static_cast<size_t>(token)]);
    transformer_.embed(slots_, hidden);
    return;
  }
  source_rows_.clear();
  for (const int32_t token : tile) source_rows_.push_back(run.sequence.hidden().row(token));
  backend_.gather(source_rows_, hidden);
}

void Stepper::attend(Run& run, int layer, std::span<const int32_t> tile, FloatRows out) {
  const PhaseTimer timer(run.report, Phase::attention);
  const int window = h_.layer[static_cast<size_t>(layer)].sliding_window;
  first_key_.clear();
  end_key_.clear();
  auto key = std::lower_bound(set_.begin(), set_.end(), tile.front());
  for (const int32_t token : tile) {
    key = std::lower_bound(key, set_.end(), token);
    end_key_.push_back(static_cast<int32_t>(key - set_.begin()) + 1);
    // A sliding window counts original positions, so it may hold fewer keys than it is wide.
    const auto first =
        window == 0 ? set_.begin() : std::lower_bound(set_.begin(), key, token - window + 1);
    first_key_.push_back(static_cast<int32_t>(first - set_.begin()));
  }
  backend_.attention(
      {workspace_.q(out.rows), h_.heads, first_key_, end_key_, run.sequence.kv(layer).view(),
       key_slots_, h_.attention_scale, h_.attention_soft_cap},
      out);
}

void Stepper::keep_score_queries(Run& run, std::span<const int32_t> tile) {
  // The last `window` tokens of the prompt (or the one token) that are in flight here.
  const int64_t window = run.policy.score().window;
  const auto newest = std::lower_bound(pending_.begin(), pending_.end(), run.first_query);
  if (newest == pending_.end()) return;
  const int32_t first = *std::max(
      newest, pending_.end() - std::min<int64_t>(window, pending_.end() - pending_.begin()));
  const auto row_bytes = static_cast<size_t>(h_.q_size()) * sizeof(float);
  if (score_queries_.bytes() < static_cast<size_t>(window) * row_bytes) {
    score_queries_ = backend_.allocate(static_cast<size_t>(window) * row_bytes);
  }
  const FloatRows q = workspace_.q(static_cast<int64_t>(tile.size()));
  const auto from =
      static_cast<int64_t>(std::lower_bound(tile.begin(), tile.end(), first) - tile.begin());
  const int64_t count = q.rows - from;
  if (count <= 0) return;
  source_rows_.clear();
  for (int64_t r = from; r < q.rows; ++r) source_rows_.push_back(q.row(r));
  const auto offset = static_cast<int64_t>(query_tokens_.size());
  backend_.gather(source_rows_, {score_queries_.floats() + offset * h_.q_size(), count, h_.q_size(),
                                 h_.q_size()});
  query_tokens_.insert(query_tokens_.end(), tile.begin() + from, tile.end());
}

void Stepper::emit_logits(Run& run, std::span<const int32_t> tile, ConstFloatRows hidden) {
  const std::span<const int32_t> positions = run.request.logit_positions;
  const auto last = static_cast<int32_t>(run.sequence.size() - 1);
  wanted_.clear();
  for (const int32_t token : tile) {
    const bool wanted = positions.empty()
                            ? token == last
                            : std::binary_search(positions.begin(), positions.end(), token);
    if (wanted) wanted_.push_back(token);
  }
  if (wanted_.empty() || !run.request.logits) return;

  // The wanted rows alone, as a tile of their own. Their keys and values are
  // computed along again: the same bits, and next to nothing for one row.
  const int layer = h_.layers - 1;
  const auto rows = static_cast<int64_t>(wanted_.size());
  const FloatRows compact = workspace_.hidden(rows);
  if (rows != hidden.rows) {
    // One after the other: rows only move up, so reading stays ahead of writing.
    for (size_t r = 0, to = 0; r < tile.size() && to < wanted_.size(); ++r) {
      if (tile[r] != wanted_[to]) continue;
      const float* const row[] = {hidden.row(static_cast<int64_t>(r))};
      backend_.gather(row, compact.slice(static_cast<int64_t>(to++), 1));
    }
  }
  {
    const PhaseTimer timer(run.report, Phase::linear);
    transformer_.project(layer, compact, wanted_, /*want_queries=*/true, workspace_);
  }
  attend(run, layer, wanted_, workspace_.attention(rows));
  {
    const PhaseTimer timer(run.report, Phase::linear);
    transformer_.finish(layer, workspace_.attention(rows), compact, workspace_);
  }
  for (int64_t begin = 0; begin < rows; begin += kLogitRows) {
    const int64_t count = std::min(kLogitRows, rows - begin);
    logits_.resize(static_cast<size_t>(count * h_.vocabulary_size));
    {
      const PhaseTimer timer(run.report, Phase::head);
      transformer_.logits(compact.slice(begin, count), logits_, workspace_);
    }
    for (int64_t r = 0; r < count; ++r) {
      run.request.logits(wanted_[static_cast<size_t>(begin + r)],
                         std::span(logits_).subspan(static_cast<size_t>(r * h_.vocabulary_size),
                                                    static_cast<size_t>(h_.vocabulary_size)));
    }
  }
}

void Stepper::prune(Run& run, int layer) {
  const int done = layer + 1;  // the paper's 1-based layer number
  const StepKind kind = run.request.kind;
  const std::optional<double> keep = run.policy.keep_after(done, kind);
  const bool observed = run.policy.observes(done, kind) && h_.full_attention(layer);
  if ((!keep && !observed) || query_tokens_.empty() || set_.size() <= 1) return;

  const PhaseTimer timer(run.report, Phase::pruning);
  const std::span<const float> scores = score_set(run, layer);
  if (!keep) return;

  Sequence& sequence = run.sequence;
  const auto is_protected = [&](int32_t token) {
    return token < run.request.protect_first ||
           (token >= run.request.tail_begin && token < run.request.tail_end);
  };
  const auto standing = [&](int32_t token) {
    if (sequence.depth(token) > done) return Standing::stored;
    const bool computed_now = std::binary_search(pending_.begin(), pending_.end(), token);
    return computed_now ? Standing::in_flight : Standing::waiting;
  };
  const int64_t k = kept_count(*keep, static_cast<int64_t>(set_.size()));
  const std::vector<int32_t>& kept = selector_.select(
      {set_, scores, k, std::ref(is_protected), std::ref(standing)}, run.revivals_left);
  if (run.request.observer != nullptr)
    run.request.observer->on_selection(layer, set_, scores, kept);
  for (const int32_t token : kept)
    run.report.revived += standing(token) == Standing::waiting ? 1 : 0;
  if (run.policy.permanent()) {
    for (const int32_t token : set_) {
      if (!std::binary_search(kept.begin(), kept.end(), token)) sequence.freeze(token);
    }
  }
  set_.assign(kept.begin(), kept.end());
}

std::span<const float> Stepper::score_set(Run& run, int layer) {
  const ImportanceScore score = run.policy.score();
  first_key_.assign(query_tokens_.size(), 0);
  end_key_.clear();
  for (const int32_t token : query_tokens_) {
    const auto key = std::lower_bound(set_.begin(), set_.end(), token);
    end_key_.push_back(static_cast<int32_t>(key - set_.begin()) + 1);
  }
  const auto rows = static_cast<int64_t>(query_tokens_.size());
  scores_.resize(set_.size());
  backend_.attention_scores({{score_queries_.floats(), rows, h_.q_size(), h_.q_size()},
                             h_.heads,
                             first_key_,
                             end_key_,
                             run.sequence.kv(layer).view(),
                             key_slots_,
                             h_.attention_scale,
                             h_.attention_soft_cap},
                            kernels::ScoreKind::probability, scores_);
  run.policy.combine(layer + 1, scores_);
  pool_scores(scores_, score.pool, pool_sums_);
  return scores_;
}

std::vector<float> Stepper::last_query_products(const Sequence& sequence, int layer) {
  LAZYLLM_CHECK(!query_tokens_.empty());
  std::vector<int32_t> slots;
  for (int64_t token = 0; token < sequence.size(); ++token) {
    slots.push_back(sequence.kv(layer).slot(token));
  }
  const auto last = static_cast<int64_t>(query_tokens_.size()) - 1;
  const int32_t first[] = {0}, end[] = {static_cast<int32_t>(slots.size())};
  std::vector<float> scores(slots.size());
  backend_.attention_scores(
      {{score_queries_.floats() + last * h_.q_size(), 1, h_.q_size(), h_.q_size()},
       h_.heads,
       first,
       end,
       sequence.kv(layer).view(),
       slots,
       1.0f,
       0.0f},
      kernels::ScoreKind::dot, scores);
  return scores;
}

}  // namespace lazyllm::lazy
