// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lazy/hidden_rows.h"
#include "lazy/kv_cache.h"
#include "model/transformer.h"

namespace lazyllm::lazy {

struct CacheTypes {
  kernels::CacheType k = kernels::CacheType::f16;
  kernels::CacheType v = kernels::CacheType::f16;
};

/// The tokens of one conversation as lazy computations. Per token:
///
///   depth    how many layers it has been carried through, 0 .. L; never falls. L counts the layers
///            with keys and values of their own (Hyperparameters::kv_layers): those behind read
///            what stands in these
///   hidden   its hidden state there (input of layer `depth`), kept while 0 < depth < L
///            (at depth 0 it is the embedding, made when needed)
///   K,V      in layers 0 .. depth-1
///
/// The paper's KV cache of layer l is { i : depth > l }, its Aux Cache of layer l is
/// { i : depth == l+1 < L, not in flight }.
/// A copy shares memory until one of both writes. Used by one thread at a time.
class Sequence {
 public:
  Sequence(const model::Transformer& transformer, CacheTypes cache_types);

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  const std::vector<int32_t>& tokens() const { return tokens_; }
  /// A token's greatest depth.
  int layers() const { return static_cast<int>(kv_.size()); }

  /// New tokens at depth 0.
  void append(std::span<const int32_t> tokens);
  /// Forgets the tokens from `size` on, with everything computed for them.
  void truncate(int64_t size);

  int depth(int64_t token) const { return depth_[static_cast<size_t>(token)]; }
  /// One layer further. The counter behind the law "no (token, layer) is computed twice".
  void advance(int64_t token);
  /// Puts a token at a depth that another sequence carried it to; its K,V and hidden row came from
  /// there (Snapshot::restore).
  void place(int64_t token, int depth) { depth_[static_cast<size_t>(token)] = depth; }
  /// Takes back what a step of tokens that are not to stay computed of this one: back to the depth
  /// where it stood, its K,V behind that given back. Returns its hidden row, to be filled with what
  /// it was there; null at depth 0, where there is none.
  float* set_back(int64_t token, int depth);
  /// (token, layer) pairs computed in the life of the sequence.
  uint64_t computed_pairs() const { return computed_pairs_; }

  /// A frozen token takes part in no layer from its depth on, for good
  /// (policies static and tsp); its hidden row is given back.
  void freeze(int64_t token);
  bool frozen(int64_t token) const { return frozen_[static_cast<size_t>(token)] != 0; }
  bool any_frozen() const { return any_frozen_; }

  /// The rows of tokens that have passed `depth` > 0 layers: where a model is split, they wait at
  /// the stage that computed them.
  HiddenRows& hidden(int depth) {
    return hidden_[static_cast<size_t>(transformer_->stage_at_depth(depth))];
  }
  const HiddenRows& hidden(int depth) const {
    return hidden_[static_cast<size_t>(transformer_->stage_at_depth(depth))];
  }
  KvCache& kv(int layer) { return kv_[static_cast<size_t>(layer)]; }
  const KvCache& kv(int layer) const { return kv_[static_cast<size_t>(layer)]; }

  size_t kv_bytes() const;
  size_t aux_bytes() const;

 private:
  std::vector<int32_t> tokens_;
  std::vector<int32_t> depth_;
  std::vector<uint8_t> frozen_;
  bool any_frozen_ = false;
  uint64_t computed_pairs_ = 0;
  void release_row(int64_t token);

  const model::Transformer* transformer_;
  std::vector<HiddenRows> hidden_;  // [stages]
  std::vector<KvCache> kv_;         // [layers]
};

}  // namespace lazyllm::lazy
