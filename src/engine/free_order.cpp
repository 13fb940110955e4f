// SPDX-License-Identifier: Apache-2.0
#include "engine/free_order.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::engine {
namespace {

// Shorter ones are computed sooner than they are kept in order.
constexpr int64_t kLeastDocument = 64;

}  // namespace

std::vector<AloneDocument> documents_alone(std::span<const TokenId> prompt,
                                           std::span<const TokenRange> documents) {
  std::vector<AloneDocument> alone;
  if (documents.empty()) return alone;
  const int64_t head = documents.front().begin;
  for (const TokenRange& place : documents) {
    if (place.end - place.begin < kLeastDocument) continue;
    AloneDocument document{{prompt.begin(), prompt.begin() + head}, head, place};
    document.tokens.insert(document.tokens.end(), prompt.begin() + place.begin,
                           prompt.begin() + place.end);
    alone.push_back(std::move(document));
  }
  if (alone.size() == 1 && alone.front().place.begin == head) alone.clear();
  return alone;
}

FreeLayout lay_out(std::span<const AloneDocument> documents, int64_t prompt_tokens,
                   int64_t recomputed, int64_t scoring) {
  FreeLayout layout;
  const int64_t most = std::max<int64_t>(0, prompt_tokens - scoring);
  for (size_t i = 0; i < documents.size(); ++i) {
    const AloneDocument& document = documents[i];
    const TokenRange place{document.place.begin, std::min(document.place.end, most)};
    const bool in_its_place = i == 0 && place.begin == document.head;
    if (i == 0) layout.prefix = std::min(in_its_place ? place.end : document.head, most);
    const int64_t begin = place.begin + recomputed;
    if (in_its_place || begin >= place.end) continue;
    const int64_t from = document.head + recomputed;
    layout.moved.push_back({{from, from + place.end - begin}, begin, i});
    layout.held += place.end - begin;
  }
  layout.held += layout.prefix;
  layout.end = layout.prefix;
  if (!layout.moved.empty()) {
    const MovedTokens& last = layout.moved.back();
    layout.end = last.place + last.from.end - last.from.begin;
  }
  return layout;
}

FreePrefill::FreePrefill(const model::Transformer& transformer, lazy::CacheTypes cache_types,
                         std::span<const AloneDocument> documents, int depth)
    : transformer_(transformer),
      cache_types_(cache_types),
      documents_(documents),
      depth_(depth),
      sources_(documents.size()) {}

bool FreePrefill::begin_reading(SnapshotCache& snapshots, lazy::StepPart& part) {
  // All at once, before a reading pushes another document out of the cache.
  for (size_t i = 0; i < documents_.size() && !looked_up_; ++i) {
    sources_[i] = snapshots.find_whole(documents_[i].tokens, depth_);
    if (!sources_[i]) tokens_wanted_ += std::ssize(documents_[i].tokens);
  }
  looked_up_ = true;
  while (next_ < sources_.size() && sources_[next_] != nullptr) ++next_;
  if (next_ == sources_.size()) return false;
  const std::span<const TokenId> tokens = documents_[next_].tokens;
  sequence_ = std::make_unique<lazy::Sequence>(transformer_, cache_types_);
  recorded_ = std::make_unique<lazy::Snapshot>(transformer_, depth_);
  const SnapshotCache::Match match = snapshots.find(tokens, depth_, std::ssize(tokens) - 1);
  if (match.snapshot != nullptr) {
    snapshots.note_use(*match.snapshot);
    match.snapshot->restore(match.tokens, *sequence_);
    if (match.snapshot->depth() == depth_) recorded_->inherit(*match.snapshot, match.tokens);
  }
  lazy::StepRequest step;
  step.new_tokens = tokens.subspan(static_cast<size_t>(sequence_->size()));
  step.kind = lazy::StepKind::prompt;
  step.first_query = 0;
  step.stop_depth = depth_;
  step.observer = this;
  part.begin(*sequence_, *policy_, step);
  return true;
}

void FreePrefill::on_computed(int depth) {
  if (depth == depth_) recorded_->record(*sequence_);
}

void FreePrefill::end_reading(SnapshotCache& snapshots, const lazy::StepReport& report) {
  recorded_->take(std::move(*sequence_));
  sequence_.reset();
  sources_[next_] = std::move(recorded_);
  snapshots.store(sources_[next_]);
  ++read_now_;
  tokens_read_ += std::ssize(documents_[next_].tokens);
  computed_pairs_ += report.computed_pairs;
}

double FreePrefill::share_before() const {
  return tokens_wanted_ == 0
             ? 0.0
             : static_cast<double>(tokens_read_) / static_cast<double>(tokens_wanted_);
}

double FreePrefill::share_of_step() const {
  if (!reading()) return 0.0;
  return static_cast<double>(documents_[next_].tokens.size()) / static_cast<double>(tokens_wanted_);
}

void FreePrefill::compose(std::span<const TokenId> prompt, const FreeLayout& layout,
                          lazy::TokenMover& mover, lazy::Sequence& sequence) {
  sources_.front()->restore(layout.prefix, sequence);
  const auto prefix = static_cast<size_t>(layout.prefix);
  sequence.append(prompt.subspan(prefix, static_cast<size_t>(layout.end) - prefix));
  // Slots in the order of the tokens, also of those that are computed in place: attention walks
  // keys that lie together fastest.
  for (int layer = 0; layer < depth_; ++layer) {
    for (int64_t token = layout.prefix; token < layout.end; ++token) {
      sequence.kv(layer).acquire(token);
    }
  }
  for (const MovedTokens& moved : layout.moved) {
    mover.move(*sources_[moved.document], moved.from.begin, moved.from.end, sequence, moved.place);
  }
  sources_.clear();
}

}  // namespace lazyllm::engine
