// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "lazy/attention_form.h"

namespace lazyllm::lazy {

/// Which chunks of a layer's set attend sparsely, and to which keys. A part's own; keeps its
/// memory.
class SparseAttention {
 public:
  struct Chunk {
    int64_t set_index;      ///< of its first token in the set
    int64_t pending_index;  ///< and among the pending tokens
  };

  /// Finds the chunks of a layer: whole ones of which every token is pending.
  void enter_layer(const AttentionForm& form, std::span<const int32_t> set,
                   std::span<const int32_t> pending);
  void clear() { chunks_.clear(); }

  bool any() const { return !chunks_.empty(); }
  int64_t chunk_size() const { return form_.chunk; }
  /// The first chunk at or behind this pending token; null: none.
  const Chunk* next_chunk(int64_t pending_index) const;
  /// Of `most` pending tokens from `first` on as many as leave no chunk in pieces. 0 where that is
  /// none, unless `at_least_one` makes it the whole chunk.
  int64_t whole_rows(int64_t first, int64_t most, bool at_least_one) const;

  /// Chooses a chunk's keys and gives the attention of its queries. `input`: the dense one of these
  /// rows, with the set's key slots.
  void attend(const kernels::Backend& backend, const Chunk& chunk, kernels::AttentionInput input,
              kernels::FloatRows out);
  /// Keys that a row of such a chunk sees before those of the chunk itself.
  int64_t keys_before(const Chunk& chunk) const;

 private:
  int64_t middle(const Chunk& chunk) const { return chunk.set_index - form_.first - form_.recent; }
  int64_t chosen(const Chunk& chunk) const;
  void choose(std::span<float> scores, int64_t count, std::span<const int32_t> slots,
              int32_t* chosen);

  AttentionForm form_;
  std::vector<Chunk> chunks_;
  std::vector<float> scores_, ranked_;
  std::vector<int32_t> lists_, first_key_, end_key_;
};

}  // namespace lazyllm::lazy
