// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/answer_channel.h"
#include "engine/attention_reader.h"
#include "engine/constraint_worker.h"
#include "engine/free_order.h"
#include "engine/generation.h"
#include "engine/prefill_choice.h"
#include "engine/snapshot_cache.h"
#include "lazy/snapshot.h"
#include "lazy/step.h"

namespace lazyllm::engine {

/// One answer of a scheduler from its request to its end: drives a Generation by parts of shared
/// steps, begins from a snapshot and leaves one, and tells the reader. The scheduler makes its
/// steps.
///
///   start() -> prefill steps -> finish_prefill()
///     -> { write() -> begin_decode() -> step -> finish_decode() } -> end()
///
/// One thread at a time.
class AnswerTask : private lazy::StepObserver {
 public:
  using Clock = Generation::Clock;

  /// Errors: Error(usage) for senseless options.
  AnswerTask(std::shared_ptr<const Model> model, AnswerRequest request,
             lazy::CacheTypes cache_types, int64_t context, std::shared_ptr<AnswerChannel> channel);

  /// Keys, values, hidden rows and the snapshot of all tokens it may come to have.
  uint64_t most_bytes() const;

  /// What start() will choose by.
  PrefillQuestion prefill_question() const;
  /// Chooses between the dense and the pruned way, edits the prompt where the policy does (with
  /// `editor`, `between_tiles` called now and then), takes what a snapshot has of it and begins the
  /// prompt's step, or that of the first document in free order that is still to be read.
  void start(SnapshotCache& snapshots, const PrefillRates& rates, lazy::Stepper& editor,
             lazy::TokenMover& mover, const std::function<void()>& between_tiles);
  /// After a step: begins the next one of the prefill, of a document or of the prompt. False: that
  /// was the prompt's.
  bool go_on(SnapshotCache& snapshots, lazy::TokenMover& mover);
  /// The step under way; begun by start() or go_on().
  lazy::StepRun& prefill() { return prefill_; }
  lazy::StepPart& part() { return part_; }
  /// Whether the other's prefill gives this one the bits of its own.
  bool has_same_prefill(const AnswerTask& other) const;
  /// Begins to find out which token may come next, if the answer has a constraint: beside the step
  /// whose logits it is for.
  void prepare_constraint(ConstraintWorker& worker);
  /// Whether that is known; then write() does not wait.
  bool may_write() const { return preparation_ == nullptr || preparation_->done(); }
  /// The prompt that it begins with is read only once where another one is read at the same time:
  /// whether waiting for that one's first pruning saves more than what the cache has.
  bool gains_from(const AnswerTask& other, const SnapshotCache& snapshots) const;
  /// What another prompt that begins alike may start from while this one's step goes on; null:
  /// it has not come so far.
  std::unique_ptr<lazy::Snapshot> snapshot_so_far() const;
  /// Instead of start() and a prefill: takes what the other computed, which has made its prompt's
  /// step but not yet finish_prefill(). Both share memory until one of them writes.
  void share_prefill(const AnswerTask& other);
  void tell_progress();
  /// After the prompt's step.
  void finish_prefill();
  /// The next token, out of the last step's logits.
  void write();
  /// What the prefill showed of the machine's speed.
  void note_speed(PrefillRates& rates) const;
  /// Whether the token was computed along with the one before: then no step is needed for it.
  bool take_drafted();
  /// The parts of the next step. `rows_beside`: of other answers in it.
  std::span<lazy::StepPart* const> begin_decode(StepCost& cost, int64_t rows_beside);
  /// After it. Errors: what went wrong in this answer's parts.
  void finish_decode();
  /// Tells the reader, and gives the exact layers to the cache. Never throws.
  void end(FinishReason reason, std::optional<Error> error, SnapshotCache& snapshots);
  /// Tells the reader and nothing else; for when too much is broken for end(). Never throws.
  void abandon(const Error& error) noexcept;

  bool over() const { return generation_.writer().finish_reason().has_value(); }
  FinishReason finish_reason() const { return *generation_.writer().finish_reason(); }
  bool cancelled() const { return channel_->cancelled(); }
  SlotInfo slot_info() const;
  /// Whether others may go on where it ended.
  bool leaves_conversation() const { return request_.use_cache && !reads_exactly(); }
  /// The slot that the request names, or -1.
  int named_slot() const { return request_.slot; }
  /// The prompt and what was written.
  std::vector<TokenId> conversation() const;
  int64_t prompt_tokens() const { return std::ssize(request_.prompt); }
  int64_t cached_tokens() const { return generation_.cached_tokens(); }
  const Statistics& statistics() const { return generation_.statistics(); }
  const PrefillPlan& prefill_plan() const { return plan_; }

 private:
  /// Copies what a snapshot needs when a step has reached its depth.
  void on_computed(int depth) override;
  int rows_wanted_from() const override;
  void begin_step(SnapshotCache& snapshots, lazy::TokenMover& mover);
  void compose(lazy::TokenMover& mover);
  void drop_drafted();
  double prefill_share() const;
  void want_prompt_logprobs(lazy::StepRequest& step);
  void want_embedding(lazy::StepRequest& step);
  void note_end_of_prompt();
  void tell_chances(AnswerToken& event) const;
  uint64_t embedding_bytes() const;
  uint64_t draft_bytes() const;
  AnswerEnd last_event(FinishReason reason, std::optional<Error> error);
  bool scores_prompt() const { return request_.prompt_logprobs >= 0; }
  bool attends() const { return request_.attention.has_value(); }
  bool pools() const { return request_.pooling != Pooling::none || request_.embeds_tokens; }
  /// Something is said of the prompt's tokens themselves: computed densely and without cache.
  bool reads_exactly() const { return scores_prompt() || pools() || attends(); }
  bool reads_ahead() const { return request_.generation.max_tokens == 0 && request_.use_cache; }
  int64_t last_position() const;

  AnswerRequest request_;
  int64_t context_;
  std::shared_ptr<AnswerChannel> channel_;
  Clock::time_point submitted_ = Clock::now();
  Generation generation_;
  PrefillPlan plan_;
  std::vector<AloneDocument> documents_;  // in free order
  std::unique_ptr<FreePrefill> free_;     // null: nothing is moved
  std::optional<DocumentReuse> reuse_;
  lazy::StepPart part_;
  lazy::StepRun prefill_;
  std::unique_ptr<lazy::Snapshot> snapshot_;  // being recorded; null: none will be left
  std::vector<int32_t> logit_positions_;      // where logits of the prompt are wanted
  std::vector<AnswerToken> prompt_logprobs_;
  std::vector<double> embedding_;               // empty: none is wanted
  std::unique_ptr<AttentionReader> attention_;  // null: none is wanted
  TokenId next_token_ = 0;
  std::shared_ptr<const ConstraintWorker::Preparation> preparation_;  // null: none is under way
  double queue_ms_ = 0.0;
};

}  // namespace lazyllm::engine
