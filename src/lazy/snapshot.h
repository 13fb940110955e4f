// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "lazy/attention_form.h"
#include "lazy/hidden_rows.h"
#include "lazy/kv_cache.h"
#include "lazy/sequence.h"

namespace lazyllm::lazy {

/// What another request may begin with: tokens carried to one depth with all tokens before them in
/// the set, so that their K,V below that depth and their hidden rows there are the dense model's
/// and depend on nothing that follows (design, "exact prefix").
///
///   depth   the first pruning layer, or all layers for a dense sequence
///   hidden  [tokens][hidden_size] at that depth; none if it is all layers
///   K,V     of layers 0 .. depth-1
///
/// Filled beside a running sequence: record() whenever a step has just reached `depth` and has not
/// selected yet (StepObserver::on_computed), since the sequence overwrites and drops its rows;
/// take() when the sequence is done. Sequences and snapshots share the memory of what they have in
/// common. Not thread-safe.
class Snapshot {
 public:
  /// `attention`: what its rows were computed with; `most`: of a prompt in chunks, those tokens
  /// that lie in whole ones (AttentionForm::chunked), since what follows attends otherwise.
  Snapshot(const model::Transformer& transformer, int depth, const AttentionForm& attention = {},
           int64_t most = std::numeric_limits<int64_t>::max());

  /// Begins, empty, with the rows of the first `count` tokens of another one of the same depth,
  /// from which the sequence was restored.
  void inherit(const Snapshot& other, int64_t count);
  /// Copies the rows of the tokens that are new since the last call; they must stand at `depth`.
  void record(const Sequence& sequence);
  /// Forgets the tokens from `size` on, before take(): the sequence took them back.
  void truncate(int64_t size);
  /// Takes the exact layers of a sequence that is not needed any more. Tokens that were not
  /// recorded are left out.
  void take(Sequence&& sequence);

  /// The same while the sequence's step goes on beyond `depth`; they share the memory.
  void share(const Sequence& sequence);

  int depth() const { return depth_; }
  const AttentionForm& attention() const { return attention_; }
  /// Whether it has all that it may have of a sequence.
  bool is_whole_of(const Sequence& sequence) const {
    return size() >= std::min(sequence.size(), most_);
  }
  /// Those of a prompt's tokens that it may come to have.
  std::span<const int32_t> of_prompt(std::span<const int32_t> prompt) const {
    return prompt.first(static_cast<size_t>(std::min<int64_t>(std::ssize(prompt), most_)));
  }
  bool has_hidden() const { return depth_ < transformer_.hyperparameters().kv_layers(); }
  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  std::span<const int32_t> tokens() const { return tokens_; }
  size_t bytes() const;

  const KvCache& kv(int layer) const { return kv_[static_cast<size_t>(layer)]; }
  const HiddenRows& hidden() const { return hidden_; }

  /// Puts the first `count` tokens into an empty sequence of the same model and cache types.
  void restore(int64_t count, Sequence& sequence) const;

  /// Hands the rows and blocks out piece by piece, in an order of its own.
  void store(const std::function<void(std::span<const std::byte>)>& sink) const;
  /// Becomes what store() handed out for these tokens. `source` fills what it is given.
  void load(std::span<const int32_t> tokens, CacheTypes cache_types,
            const std::function<void(std::span<std::byte>)>& source);

 private:
  const model::Transformer& transformer_;
  int depth_;
  AttentionForm attention_;
  int64_t most_;
  std::vector<int32_t> tokens_;
  HiddenRows hidden_;
  std::vector<KvCache> kv_;  // [depth] after take()
};

}  // namespace lazyllm::lazy
