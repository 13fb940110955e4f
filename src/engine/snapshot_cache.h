// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>

#include "lazy/snapshot.h"

namespace lazyllm::engine {

/// What a prompt could use of a snapshot.
struct SnapshotWish {
  std::span<const int32_t> prompt;
  int depth = 0;                       ///< at most
  int64_t most_tokens = 0;             ///< of the prompt, from its beginning
  lazy::AttentionForm attention = {};  ///< what its rows are to be computed with
};

/// How many of the wish's first tokens a snapshot of these tokens and this attention can give.
int64_t usable_tokens(const SnapshotWish& wish, std::span<const int32_t> tokens,
                      const lazy::AttentionForm& attention);

/// How many tokens both begin with.
int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b);

/// Whether the tokens of a prompt hold those of a text, but for the outermost few, which depend on
/// what stands beside it. Of a text of a few tokens: never.
bool hold_text(std::span<const int32_t> prompt, std::span<const int32_t> text);

/// Whether a snapshot's tokens begin this conversation or go on with it.
bool is_of_conversation(std::span<const int32_t> tokens, std::span<const int32_t> conversation);

/// Snapshots of earlier prompts and answers, within a memory budget; the least recently used goes
/// first. All of one model and one pair of cache types. Used by one thread.
class SnapshotCache {
 public:
  explicit SnapshotCache(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  struct Match {
    const lazy::Snapshot* snapshot = nullptr;  ///< null: none
    int64_t tokens = 0;                        ///< of the prompt, from its beginning
  };
  /// The snapshot that saves most of a prompt whose tokens may lie at most at `depth` and of
  /// which at most `most_tokens` may come from a snapshot. Stands until the next store().
  Match find(const SnapshotWish& wish) const;
  Match find(std::span<const int32_t> prompt, int depth, int64_t most_tokens) const {
    return find(SnapshotWish{prompt, depth, most_tokens});
  }
  /// The dense one of exactly this depth that holds all these tokens from its beginning on, noted
  /// as used; null: there is none.
  std::shared_ptr<const lazy::Snapshot> find_whole(std::span<const int32_t> tokens, int depth);
  /// One that find() gave was used: it goes last now.
  void note_use(const lazy::Snapshot& snapshot);
  /// Keeps a snapshot if it fits; one that it continues at the same depth is dropped.
  void store(std::shared_ptr<const lazy::Snapshot> snapshot);

  uint64_t most_bytes() const { return most_bytes_; }
  uint64_t bytes() const { return bytes_; }
  size_t size() const { return snapshots_.size(); }
  /// Most recently used first.
  const std::list<std::shared_ptr<const lazy::Snapshot>>& snapshots() const { return snapshots_; }
  /// Takes one out, to make room for what covers it.
  void drop(const lazy::Snapshot& snapshot);
  /// Takes out those that hold_text() of these tokens.
  void forget(std::span<const int32_t> text);
  /// Takes out those of this conversation.
  void erase(std::span<const int32_t> conversation);

 private:
  using List = std::list<std::shared_ptr<const lazy::Snapshot>>;
  List::iterator position_of(const lazy::Snapshot& snapshot);
  void drop(List::iterator entry);

  uint64_t most_bytes_;
  uint64_t bytes_ = 0;
  List snapshots_;  // most recently used first
};

}  // namespace lazyllm::engine
