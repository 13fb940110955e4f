// SPDX-License-Identifier: Apache-2.0
#include "lazy/token_mover.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::lazy {

TokenMover::TokenMover(const model::Transformer& transformer) : transformer_(transformer) {
  for (int stage = 0; stage < transformer.stages(); ++stage) {
    ropes_.emplace_back(transformer.hyperparameters(), transformer.stage(stage).backend());
  }
}

void TokenMover::move(const Snapshot& from, int64_t begin, int64_t end, Sequence& sequence,
                      int64_t place) {
  const int64_t count = end - begin;
  LAZYLLM_CHECK(begin >= 0 && end <= from.size() && place + count <= sequence.size());
  const auto ids = from.tokens().subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
  if (!std::equal(ids.begin(), ids.end(), sequence.tokens().begin() + place)) {
    fail(ErrorCode::internal, "the tokens from {} on are not those that a snapshot holds", place);
  }
  const model::Hyperparameters& h = transformer_.hyperparameters();
  for (model::RopeCache& ropes : ropes_) ropes.reserve(std::max(end, place + count));
  from_positions_.clear();
  to_positions_.clear();
  for (int64_t i = 0; i < count; ++i) {
    from_positions_.push_back(static_cast<int32_t>(begin + i));
    to_positions_.push_back(static_cast<int32_t>(place + i));
  }
  for (int layer = 0; layer < from.depth(); ++layer) {
    KvCache& cache = sequence.kv(layer);
    from_slots_.clear();
    to_slots_.clear();
    for (int64_t i = 0; i < count; ++i) {
      from_slots_.push_back(from.kv(layer).slot(begin + i));
      to_slots_.push_back(cache.acquire(place + i));
    }
    const int rope = h.layer[static_cast<size_t>(layer)].rope;
    const model::RopeCache& ropes = ropes_[static_cast<size_t>(transformer_.stage_of(layer))];
    transformer_.at(layer).backend().move_kv(from.kv(layer).view(), from_slots_, from_positions_,
                                             cache.view(), to_slots_, to_positions_,
                                             rope < 0 ? nullptr : &ropes.table(rope));
  }
  for (int64_t i = 0; i < count; ++i) {
    if (from.has_hidden()) {
      const float* const row[] = {from.hidden().row(begin + i)};
      float* const to = sequence.hidden(from.depth()).acquire(place + i);
      transformer_.at(from.depth() - 1)
          .backend()
          .gather(row, {to, 1, h.hidden_size, h.hidden_size});
    }
    sequence.place(place + i, from.depth());
  }
}

}  // namespace lazyllm::lazy
