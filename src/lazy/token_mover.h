// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lazy/sequence.h"
#include "lazy/snapshot.h"
#include "model/rope.h"

namespace lazyllm::lazy {

/// Puts what a snapshot holds of some tokens at another place of a sequence. Rotations form a
/// group, so keys are turned by the distance; values and hidden rows stay. What the tokens saw
/// before them stays, too: they are as they were behind what stood there, not behind what stands
/// there now. Not thread-safe.
class TokenMover {
 public:
  explicit TokenMover(const model::Transformer& transformer);

  /// Tokens [begin, end) of `from` become those from `place` on, which the sequence must hold
  /// already, with the same ids and at depth 0. They stand at from.depth() afterwards.
  void move(const Snapshot& from, int64_t begin, int64_t end, Sequence& sequence, int64_t place);

 private:
  const model::Transformer& transformer_;
  std::vector<model::RopeCache> ropes_;  // [stages]
  std::vector<int32_t> from_slots_, from_positions_, to_slots_, to_positions_;
};

}  // namespace lazyllm::lazy
