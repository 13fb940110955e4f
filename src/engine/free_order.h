// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/snapshot_cache.h"
#include "lazy/policy.h"
#include "lazy/snapshot.h"
#include "lazy/step_part.h"
#include "lazy/token_mover.h"
#include "lazyllm/options.h"
#include "lazyllm/prefill_cost.h"
#include "lazyllm/scheduler.h"

namespace lazyllm::engine {

/// A document as it is computed in free order: behind what stands before all documents of its
/// prompt, and nothing else.
struct AloneDocument {
  std::vector<TokenId> tokens;  ///< that head, then the document
  int64_t head = 0;             ///< tokens of the head
  TokenRange place;             ///< of the document in the prompt
};

/// Those of `documents` (rising, disjoint) that are worth it; none if nothing could be moved.
std::vector<AloneDocument> documents_alone(std::span<const TokenId> prompt,
                                           std::span<const TokenRange> documents);

/// Which of its tokens a prompt in free order takes from documents computed alone.
struct MovedTokens {
  TokenRange from;    ///< in AloneDocument::tokens
  int64_t place = 0;  ///< in the prompt
  size_t document = 0;
};
struct FreeLayout {
  int64_t prefix = 0;  ///< first tokens of the prompt, which are those of the first document alone
  std::vector<MovedTokens> moved;
  int64_t held = 0;  ///< tokens in the prefix and moved
  int64_t end = 0;   ///< of the last of them
};
/// `recomputed`: first tokens of each moved document that are computed in place; `scoring`: last
/// ones of the prompt that are in any case.
FreeLayout lay_out(std::span<const AloneDocument> documents, int64_t prompt_tokens,
                   int64_t recomputed, int64_t scoring);

/// Makes a prompt's documents stand at one depth, each alone, and puts them where they belong:
///
///   { begin_reading() -> step -> end_reading() } for each that the cache lacks -> compose()
///
/// The bits of what it composes depend on the prompt and the depth, never on what the cache had.
class FreePrefill : private lazy::StepObserver {
 public:
  FreePrefill(const model::Transformer& transformer, lazy::CacheTypes cache_types,
              std::span<const AloneDocument> documents, int depth);

  /// Begins the step of the next document that is not there; false: all are.
  bool begin_reading(SnapshotCache& snapshots, lazy::StepPart& part);
  /// Of that step; the cache gets the document.
  void end_reading(SnapshotCache& snapshots, const lazy::StepReport& report);
  bool reading() const { return sequence_ != nullptr; }
  /// Share of the readings' tokens that were read before the step under way, and of that step.
  double share_before() const;
  double share_of_step() const;

  /// Puts prefix and moved tokens into an empty sequence, with the tokens between them at depth 0,
  /// and lets go of the documents.
  void compose(std::span<const TokenId> prompt, const FreeLayout& layout, lazy::TokenMover& mover,
               lazy::Sequence& sequence);

  int depth() const { return depth_; }
  int64_t read_now() const { return read_now_; }
  uint64_t computed_pairs() const { return computed_pairs_; }  ///< by the readings

 private:
  void on_computed(int depth) override;

  const model::Transformer& transformer_;
  lazy::CacheTypes cache_types_;
  std::span<const AloneDocument> documents_;
  int depth_;
  std::vector<std::shared_ptr<const lazy::Snapshot>> sources_;  // [documents]; null: to be read
  size_t next_ = 0;
  bool looked_up_ = false;
  // Being read.
  std::unique_ptr<lazy::Policy> policy_ = lazy::make_dense_policy();
  std::unique_ptr<lazy::Sequence> sequence_;  // null: nothing is
  std::unique_ptr<lazy::Snapshot> recorded_;
  int64_t read_now_ = 0;
  int64_t tokens_wanted_ = 0, tokens_read_ = 0;
  uint64_t computed_pairs_ = 0;
};

}  // namespace lazyllm::engine
