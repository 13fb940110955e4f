// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_cache.h"

#include <algorithm>
#include <functional>

namespace lazyllm::engine {

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

bool hold_text(std::span<const int32_t> prompt, std::span<const int32_t> text) {
  constexpr size_t kEdge = 8;
  if (text.size() < 4 * kEdge) return false;
  const auto inner = text.subspan(kEdge, text.size() - 2 * kEdge);
  const std::boyer_moore_horspool_searcher searcher(inner.begin(), inner.end());
  return std::search(prompt.begin(), prompt.end(), searcher) != prompt.end();
}

bool is_of_conversation(std::span<const int32_t> tokens, std::span<const int32_t> conversation) {
  return common_prefix(tokens, conversation) ==
         static_cast<int64_t>(std::min(tokens.size(), conversation.size()));
}

void SnapshotCache::erase(std::span<const int32_t> conversation) {
  for (auto entry = snapshots_.begin(); entry != snapshots_.end();) {
    const auto next = std::next(entry);
    if (is_of_conversation((*entry)->tokens(), conversation)) drop(entry);
    entry = next;
  }
}

void SnapshotCache::forget(std::span<const int32_t> text) {
  for (auto entry = snapshots_.begin(); entry != snapshots_.end();) {
    const auto next = std::next(entry);
    if (hold_text((*entry)->tokens(), text)) drop(entry);
    entry = next;
  }
}

int64_t usable_tokens(const SnapshotWish& wish, std::span<const int32_t> tokens,
                      const lazy::AttentionForm& attention) {
  int64_t most = wish.most_tokens;
  if (wish.attention.sparse) {
    most = std::min(most, wish.attention.chunked(std::ssize(wish.prompt)));
  }
  return lazy::tokens_alike(attention, wish.attention,
                            std::min(common_prefix(wish.prompt, tokens), most));
}

SnapshotCache::Match SnapshotCache::find(const SnapshotWish& wish) const {
  Match best;
  for (const auto& entry : snapshots_) {
    const lazy::Snapshot& snapshot = *entry;
    if (snapshot.depth() > wish.depth) continue;
    const int64_t tokens = usable_tokens(wish, snapshot.tokens(), snapshot.attention());
    const int64_t saved = tokens * snapshot.depth();
    if (saved > (best.snapshot == nullptr ? 0 : best.tokens * best.snapshot->depth())) {
      best = {&snapshot, tokens};
    }
  }
  return best;
}

SnapshotCache::List::iterator SnapshotCache::position_of(const lazy::Snapshot& snapshot) {
  return std::find_if(snapshots_.begin(), snapshots_.end(),
                      [&](const auto& held) { return held.get() == &snapshot; });
}

void SnapshotCache::drop(const lazy::Snapshot& snapshot) {
  const auto entry = position_of(snapshot);
  if (entry != snapshots_.end()) drop(entry);
}

void SnapshotCache::note_use(const lazy::Snapshot& snapshot) {
  const auto entry = position_of(snapshot);
  if (entry != snapshots_.end()) snapshots_.splice(snapshots_.begin(), snapshots_, entry);
}

void SnapshotCache::drop(List::iterator entry) {
  bytes_ -= (*entry)->bytes();
  snapshots_.erase(entry);
}

std::shared_ptr<const lazy::Snapshot> SnapshotCache::find_whole(std::span<const int32_t> tokens,
                                                                int depth) {
  for (auto entry = snapshots_.begin(); entry != snapshots_.end(); ++entry) {
    const lazy::Snapshot& snapshot = **entry;
    if (snapshot.depth() != depth || snapshot.attention().sparse ||
        common_prefix(tokens, snapshot.tokens()) < std::ssize(tokens)) {
      continue;
    }
    snapshots_.splice(snapshots_.begin(), snapshots_, entry);
    return snapshots_.front();
  }
  return nullptr;
}

void SnapshotCache::store(std::shared_ptr<const lazy::Snapshot> snapshot) {
  if (snapshot->size() == 0 || snapshot->bytes() > most_bytes_) return;
  for (auto entry = snapshots_.begin(); entry != snapshots_.end();) {
    const auto next = std::next(entry);
    const lazy::Snapshot& old = **entry;
    if (old.depth() == snapshot->depth() && old.attention() == snapshot->attention()) {
      const int64_t common = common_prefix(old.tokens(), snapshot->tokens());
      if (common == snapshot->size()) return;  // nothing new in it
      if (common == old.size()) drop(entry);
    }
    entry = next;
  }
  while (bytes_ + snapshot->bytes() > most_bytes_) drop(std::prev(snapshots_.end()));
  bytes_ += snapshot->bytes();
  snapshots_.push_front(std::move(snapshot));
}

}  // namespace lazyllm::engine
