// SPDX-License-Identifier: Apache-2.0
#include "lazy/step_part.h"

#include <algorithm>

#include "base/error.h"
#include "lazy/token_ranges.h"

namespace lazyllm::lazy {

using kernels::ConstFloatRows;
using kernels::FloatRows;

StepPart::StepPart(const model::Transformer& transformer)
    : transformer_(transformer),
      h_(transformer.hyperparameters()),
      score_queries_(static_cast<size_t>(transformer.stages())) {}

void StepPart::begin(Sequence& sequence, Policy& policy, const StepRequest& request) {
  sequence_ = &sequence;
  policy_ = &policy;
  request_ = request;
  report_.clear();
  failure_ = nullptr;
  first_query_ =
      static_cast<int32_t>(request.first_query < 0 ? sequence.size() : request.first_query);
  revivals_left_ = request.kind == StepKind::decode ? request.revive_budget.tokens : -1;
  revived_.clear();
  revived_rows_.clear();
  pending_.clear();
  new_begin_ = sequence.size();
  sequence.append(request.new_tokens);
  last_token_ = static_cast<int32_t>(sequence.size() - 1);

  end_set_at(sequence.size());
}

void StepPart::end_set_at(int64_t end) {
  report_.set_sizes.clear();
  set_.clear();  // pushed one by one: from a pruned set, resize() would take new memory every time
  for (int64_t i = 0; i < end; ++i) set_.push_back(static_cast<int32_t>(i));
}

int StepPart::free_depth() const {
  if (request_.kind != StepKind::prompt || request_.after != nullptr) return 0;
  if (request_.attention.sparse) return 0;  // which chunks there are depends on the whole set
  const int watched =
      request_.observer == nullptr ? h_.layers : request_.observer->rows_wanted_from();
  int depth = 1;
  while (depth < h_.layers && !policy_->keep_after(depth, request_.kind) &&
         !policy_->observes(depth, request_.kind)) {
    ++depth;
  }
  return std::min(depth, watched);
}

/// By a part before this one in the chain.
bool StepPart::is_computed_before(int32_t token) const {
  for (const StepPart* part = request_.after; part != nullptr; part = part->request_.after) {
    if (std::binary_search(part->pending_.begin(), part->pending_.end(), token)) return true;
  }
  return false;
}

/// After the layer's selection: a part before this one computes it in the next layer, if its K,V
/// do not stand there yet.
bool StepPart::is_carried_before(int32_t token) const {
  for (const StepPart* part = request_.after; part != nullptr; part = part->request_.after) {
    if (std::binary_search(part->set_.begin(), part->set_.end(), token)) return true;
  }
  return false;
}

void StepPart::note_revived(int32_t token, int layer) {
  if (request_.after == nullptr || token >= new_begin_) return;
  if (std::binary_search(pending_before_.begin(), pending_before_.end(), token)) return;
  revived_.push_back({token, layer});
  const size_t begin = revived_rows_.size();
  revived_rows_.resize(begin + static_cast<size_t>(h_.hidden_size));
  if (layer == 0) return;  // its row is the embedding
  const float* const row[] = {sequence_->hidden(layer).row(token)};
  backend(layer - 1).download_rows(row, h_.hidden_size, revived_rows_.data() + begin);
}

void StepPart::take_back() {
  for (size_t i = revived_.size(); i-- > 0;) {
    const Revived& revived = revived_[i];
    float* const row = sequence_->set_back(revived.token, revived.depth);
    if (row == nullptr) continue;
    backend(revived.depth - 1)
        .upload(revived_rows_.data() + i * static_cast<size_t>(h_.hidden_size), row,
                static_cast<size_t>(h_.hidden_size));
  }
  revived_.clear();
  sequence_->truncate(new_begin_);
}

void StepPart::enter_layer(int layer) {
  if (request_.after != nullptr && request_.after->failed()) {
    std::rethrow_exception(request_.after->failure());
  }
  if (sequence_->any_frozen()) {
    std::erase_if(set_,
                  [&](int32_t t) { return sequence_->frozen(t) && sequence_->depth(t) <= layer; });
  }
  report_.set_sizes.push_back(static_cast<int64_t>(set_.size()));
  pending_before_.swap(pending_);
  pending_.clear();
  for (const int32_t token : set_) {
    LAZYLLM_CHECK(sequence_->depth(token) >= layer || request_.stop_depth >= 0);
    if (sequence_->depth(token) != layer || is_computed_before(token)) continue;
    pending_.push_back(token);
    note_revived(token, layer);
  }
  if (request_.observer != nullptr) request_.observer->on_layer(layer, set_, pending_);

  KvCache& cache = sequence_->kv(layer);
  key_slots_.clear();
  // Slots are given out before the first tile, so that the key list stands for all
  // tiles; a slot is only read once its token was appended (causality).
  for (const int32_t token : set_) key_slots_.push_back(cache.acquire(token));
  if (layer + 1 < h_.kv_layers()) {
    for (const int32_t token : pending_) sequence_->hidden(layer + 1).acquire(token);
  } else {
    find_shared_slots();
  }
  query_tokens_.clear();

  sparse_.clear();
  // In the last layer only those attend whose logits are wanted, in no chunks.
  if (request_.attention.sparse && request_.kind == StepKind::prompt &&
      layer + 1 < h_.kv_layers() && h_.full_attention(layer)) {
    sparse_.enter_layer(request_.attention, set_, pending_);
  }
}

size_t StepPart::tile_rows(size_t first, size_t most, bool at_least_one) const {
  if (!sparse_.any()) return most;
  return static_cast<size_t>(
      sparse_.whole_rows(static_cast<int64_t>(first), static_cast<int64_t>(most), at_least_one));
}

/// Of S in the caches of earlier layers that the layers behind this one read.
void StepPart::find_shared_slots() {
  shared_slots_.resize(static_cast<size_t>(h_.kv_layers()));
  for (std::vector<int32_t>& slots : shared_slots_) slots.clear();
  for (int layer = h_.kv_layers(); layer < h_.layers; ++layer) {
    const int source = h_.kv_source_of(layer);
    std::vector<int32_t>& slots = shared_slots_[static_cast<size_t>(source)];
    if (!slots.empty()) continue;
    for (const int32_t token : set_) slots.push_back(sequence_->kv(source).slot(token));
  }
}

std::span<const int32_t> StepPart::key_slots(int layer) const {
  if (layer < h_.kv_layers()) return key_slots_;
  return shared_slots_[static_cast<size_t>(h_.kv_source_of(layer))];
}

void StepPart::attend(int layer, std::span<const int32_t> queries, ConstFloatRows q,
                      FloatRows out) {
  if (h_.convolves(layer)) return convolve(layer, queries, q, out);
  const auto first =
      sparse_.any()
          ? std::lower_bound(pending_.begin(), pending_.end(), queries.front()) - pending_.begin()
          : 0;
  for (int64_t row = 0; row < q.rows;) {
    const SparseAttention::Chunk* const chunk = sparse_.next_chunk(first + row);
    const int64_t begin = chunk == nullptr ? q.rows : chunk->pending_index - first;
    if (row < begin) {
      const int64_t count = std::min(begin, q.rows) - row;
      attend_densely(layer, queries.subspan(static_cast<size_t>(row), static_cast<size_t>(count)),
                     q.slice(row, count), out.slice(row, count));
      row += count;
      continue;
    }
    const int64_t count = sparse_.chunk_size();
    LAZYLLM_CHECK(row + count <= q.rows);
    sparse_.attend(backend(layer), *chunk, attention_input(layer, q.slice(row, count)),
                   out.slice(row, count));
    const auto in_chunk = static_cast<uint64_t>(count * (count + 1) / 2);
    report_.attended_pairs += static_cast<uint64_t>(sparse_.keys_before(*chunk) * count) + in_chunk;
    report_.causal_pairs += static_cast<uint64_t>(chunk->set_index * count) + in_chunk;
    row += count;
  }
}

kernels::AttentionInput StepPart::attention_input(int layer, ConstFloatRows q) const {
  return {.queries = q,
          .heads = h_.heads,
          .first_key = first_key_,
          .end_key = end_key_,
          .cache = sequence_->kv(h_.kv_source_of(layer)).view(),
          .key_slots = key_slots(layer),
          .scale = h_.attention_scale,
          .soft_cap = h_.attention_soft_cap,
          .sinks = transformer_.sinks(layer)};
}

void StepPart::attend_densely(int layer, std::span<const int32_t> queries, ConstFloatRows q,
                              FloatRows out) {
  const int window = h_.layer[static_cast<size_t>(layer)].sliding_window;
  first_key_.clear();
  end_key_.clear();
  auto key = std::lower_bound(set_.begin(), set_.end(), queries.front());
  for (const int32_t token : queries) {
    key = std::lower_bound(key, set_.end(), token);
    end_key_.push_back(static_cast<int32_t>(key - set_.begin()) + 1);
    // A sliding window counts original positions, so it may hold fewer keys than it is wide.
    const auto first =
        window == 0 ? set_.begin() : std::lower_bound(set_.begin(), key, token - window + 1);
    first_key_.push_back(static_cast<int32_t>(first - set_.begin()));
    report_.causal_pairs += static_cast<uint64_t>(end_key_.back() - first_key_.back());
    report_.attended_pairs += static_cast<uint64_t>(end_key_.back() - first_key_.back());
  }
  backend(layer).attention(attention_input(layer, q), out);
}

/// A token's inputs are those of the positions before it. A position whose token has not come so
/// deep adds nothing; one that has does so although it is not in S any more.
void StepPart::convolve(int layer, std::span<const int32_t> queries, ConstFloatRows gate,
                        FloatRows out) {
  const int taps = h_.layer[static_cast<size_t>(layer)].convolution;
  const KvCache& cache = sequence_->kv(layer);
  const auto stands = [&](int32_t token) {
    return sequence_->depth(token) > layer ||
           std::binary_search(pending_.begin(), pending_.end(), token) || is_computed_before(token);
  };
  input_slots_.clear();
  for (const int32_t token : queries) {
    for (int32_t input = token - taps + 1; input <= token; ++input) {
      input_slots_.push_back(input >= 0 && stands(input) ? cache.slot(input) : KvCache::kNoSlot);
    }
  }
  backend(layer).convolve({.cache = cache.view(),
                           .slots = input_slots_,
                           .taps = taps,
                           .weights = transformer_.convolution(layer),
                           .bias = transformer_.convolution_bias(layer),
                           .gate = gate},
                          out);
}

void StepPart::keep_queries(int layer, size_t first, ConstFloatRows q) {
  // The last `window` tokens of the prompt (or the one token) that are in flight here.
  const int64_t window = policy_->score().window;
  const auto newest = std::lower_bound(pending_.begin(), pending_.end(), first_query_);
  const auto earliest =
      std::max(newest, pending_.end() - std::min<int64_t>(window, std::ssize(pending_)));
  const int64_t from =
      std::max<int64_t>(0, earliest - pending_.begin() - static_cast<int64_t>(first));  // row of q
  const int64_t count = q.rows - from;
  if (count <= 0) return;
  const auto row_bytes = static_cast<size_t>(h_.widest_q()) * sizeof(float);
  kernels::Buffer& kept = score_queries_[static_cast<size_t>(transformer_.stage_of(layer))];
  if (kept.bytes() < static_cast<size_t>(window) * row_bytes) {
    kept = backend(layer).allocate(static_cast<size_t>(window) * row_bytes);
  }
  query_rows_.clear();
  for (int64_t r = from; r < q.rows; ++r) query_rows_.push_back(q.row(r));
  const auto offset = static_cast<int64_t>(query_tokens_.size());
  backend(layer).gather(query_rows_,
                        {kept.floats() + offset * q.columns, count, q.columns, q.columns});
  const auto begin = pending_.begin() + static_cast<int64_t>(first) + from;
  query_tokens_.insert(query_tokens_.end(), begin, begin + count);
}

bool StepPart::wants_result_of(int32_t token) const {
  const std::span<const int32_t> positions = request_.logit_positions;
  if (!request_.logits && !request_.hidden) return false;
  return positions.empty() ? token == last_token_
                           : std::binary_search(positions.begin(), positions.end(), token);
}

bool StepPart::is_protected(int32_t token) const {
  if (token < request_.protect_first) return true;
  if (token >= request_.tail_begin && token < request_.tail_end) return true;
  return contains(request_.protected_ranges, token);
}

Standing StepPart::standing_of(int32_t token, int done) const {
  if (sequence_->depth(token) > done) return Standing::stored;
  if (std::binary_search(pending_.begin(), pending_.end(), token)) return Standing::in_flight;
  return is_carried_before(token) ? Standing::stored : Standing::waiting;
}

void StepPart::leave_layer(int layer) {
  const int done = layer + 1;  // the paper's 1-based layer number
  const StepKind kind = request_.kind;
  const std::optional<double> keep = policy_->keep_after(done, kind);
  const bool observed = policy_->observes(done, kind) && h_.full_attention(layer);
  if ((!keep && !observed) || query_tokens_.empty() || set_.size() <= 1) return;

  const std::span<const float> scores = score_set(layer);
  if (!keep) return;

  const auto guarded = [&](int32_t token) { return is_protected(token); };
  const auto standing = [&](int32_t token) { return standing_of(token, done); };
  int64_t k = kept_count(*keep, std::ssize(set_));
  if (policy_->keep_mass() > 0.0) {
    k = std::min(k, count_for_mass(set_, scores, policy_->keep_mass(), guarded, masses_));
  }
  const std::vector<int32_t>& kept =
      selector_.select({set_, scores, k, std::ref(guarded), std::ref(standing)}, revivals_left_);
  if (request_.observer != nullptr) request_.observer->on_selection(layer, set_, scores, kept);
  for (const int32_t token : kept) report_.revived += standing(token) == Standing::waiting ? 1 : 0;
  if (policy_->permanent()) {
    for (const int32_t token : set_) {
      if (!std::binary_search(kept.begin(), kept.end(), token)) sequence_->freeze(token);
    }
  }
  set_.assign(kept.begin(), kept.end());
}

/// A prompt's set whose tokens all stand behind this layer. In a decode step, or when a turn goes
/// on in a pruned conversation, the layer's own attention scores.
bool StepPart::can_look_ahead(int layer) const {
  return policy_->score().form->looks_ahead() && request_.kind == StepKind::prompt &&
         policy_->keep_after(layer + 1, StepKind::prompt) &&
         std::all_of(set_.begin(), set_.end(),
                     [&](int32_t token) { return sequence_->depth(token) == layer + 1; });
}

std::span<const float> StepPart::score_set(int layer) {
  if (can_look_ahead(layer)) {
    if (!lookahead_) lookahead_ = std::make_unique<Lookahead>(transformer_);
    scores_.resize(set_.size());
    lookahead_->score(*sequence_, set_, layer + 1, policy_->score().layers, scores_);
    pool_scores(scores_, policy_->score(), pool_scratch_);
    return scores_;
  }
  first_key_.assign(query_tokens_.size(), 0);
  end_key_.clear();
  for (const int32_t token : query_tokens_) {
    const auto key = std::lower_bound(set_.begin(), set_.end(), token);
    end_key_.push_back(static_cast<int32_t>(key - set_.begin()) + 1);
  }
  scores_.resize(set_.size());
  backend(layer).attention_scores(
      {{score_queries(layer), std::ssize(query_tokens_), h_.q_size(layer), h_.q_size(layer)},
       h_.heads,
       first_key_,
       end_key_,
       sequence_->kv(layer).view(),
       key_slots_,
       h_.attention_scale,
       h_.attention_soft_cap,
       policy_->head_weights(layer + 1),
       transformer_.sinks(layer)},
      policy_->score().form->kind(), scores_);
  policy_->combine(layer + 1, set_, scores_);
  pool_scores(scores_, policy_->score(), pool_scratch_);
  return scores_;
}

std::vector<float> StepPart::query_attention(int layer, size_t query) const {
  const auto heads = static_cast<size_t>(h_.heads);
  std::vector<float> scores(heads * set_.size()), only(heads, 0.0f);
  for (size_t head = 0; head < heads; ++head) {
    only[head] = 1.0f;
    weighted_attention(layer, only, query, 1,
                       std::span(scores).subspan(head * set_.size(), set_.size()));
    only[head] = 0.0f;
  }
  return scores;
}

void StepPart::weighted_attention(int layer, std::span<const float> weights, size_t first,
                                  size_t count, std::span<float> scores) const {
  LAZYLLM_CHECK(count > 0 && first + count <= query_tokens_.size());
  backend(layer).attention_scores(
      {{score_queries(layer) + static_cast<int64_t>(first) * h_.q_size(layer),
        static_cast<int64_t>(count), h_.q_size(layer), h_.q_size(layer)},
       h_.heads,
       std::span(first_key_).subspan(first, count),
       std::span(end_key_).subspan(first, count),
       sequence_->kv(layer).view(),
       key_slots_,
       h_.attention_scale,
       h_.attention_soft_cap,
       weights,
       transformer_.sinks(layer)},
      kernels::ScoreKind::probability, scores);
}

std::vector<float> StepPart::last_query_products(int layer) const {
  LAZYLLM_CHECK(!query_tokens_.empty());
  std::vector<int32_t> slots;
  for (int64_t token = 0; token < sequence_->size(); ++token) {
    slots.push_back(sequence_->kv(layer).slot(token));
  }
  const int64_t last = std::ssize(query_tokens_) - 1;
  const int32_t first[] = {0}, end[] = {static_cast<int32_t>(slots.size())};
  std::vector<float> scores(slots.size());
  backend(layer).attention_scores(
      {{score_queries(layer) + last * h_.q_size(layer), 1, h_.q_size(layer), h_.q_size(layer)},
       h_.heads,
       first,
       end,
       sequence_->kv(layer).view(),
       slots,
       1.0f,
       0.0f},
      kernels::ScoreKind::dot, scores);
  return scores;
}

}  // namespace lazyllm::lazy
