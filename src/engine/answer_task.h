// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/answer_channel.h"
#include "engine/answer_writer.h"
#include "engine/depth_recorder.h"
#include "engine/model_implementation.h"
#include "engine/snapshot_cache.h"
#include "lazy/policy.h"
#include "lazy/sequence.h"
#include "lazy/snapshot.h"
#include "lazy/step.h"

namespace lazyllm::engine {

/// One answer of a scheduler from its request to its end: the tokens with everything computed
/// for them, and what comes of them. The scheduler makes its steps.
///
///   start() -> prefill steps -> finish_prefill() -> { begin_decode() -> step -> finish_decode() }
///   -> end()
///
/// One thread at a time.
class AnswerTask : private lazy::StepObserver {
 public:
  using Clock = std::chrono::steady_clock;

  /// Errors: Error(usage) for senseless options.
  AnswerTask(std::shared_ptr<const Model> model, AnswerRequest request,
             lazy::CacheTypes cache_types, int64_t context, std::shared_ptr<AnswerChannel> channel);

  /// Keys, values, hidden rows and the snapshot of all tokens it may come to have.
  uint64_t most_bytes() const;

  /// Edits the prompt where the policy does (with `editor`, `between_tiles` called now and then),
  /// takes what a snapshot has of it and begins the prompt's step.
  void start(SnapshotCache& snapshots, lazy::Stepper& editor,
             const std::function<void()>& between_tiles);
  /// The prompt's step; begun by start().
  lazy::StepRun& prefill() { return prefill_; }
  lazy::StepPart& part() { return part_; }
  /// Whether the other's prefill gives this one the bits of its own.
  bool has_same_prefill(const AnswerTask& other) const;
  /// Instead of start() and a prefill: takes what the other computed, which has made its prompt's
  /// step but not yet finish_prefill(). Both share memory until one of them writes.
  void share_prefill(const AnswerTask& other);
  void tell_progress();
  /// With a step of its own (`report` its part's) or of the one it shares.
  void finish_prefill() { finish_prefill(part_.report()); }
  void begin_decode();
  void finish_decode();
  /// Tells the reader, and gives the exact layers to the cache. Never throws.
  void end(FinishReason reason, std::optional<Error> error, SnapshotCache& snapshots);

  /// Tells the reader and nothing else; for when too much is broken for end(). Never throws.
  void abandon(const Error& error) noexcept;

  bool over() const { return writer_.finish_reason().has_value(); }
  FinishReason finish_reason() const { return *writer_.finish_reason(); }
  bool cancelled() const { return channel_->cancelled(); }
  SlotInfo slot_info() const;
  int64_t prompt_tokens() const { return std::ssize(request_.prompt); }
  int64_t cached_tokens() const { return cached_tokens_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  /// Copies what a snapshot needs when a step has reached its depth.
  void on_computed(int depth) override;
  void finish_prefill(const lazy::StepReport& report);
  AnswerEnd last_event(FinishReason reason, std::optional<Error> error);
  void write_token();
  std::vector<TokenLogprob> best_tokens(double log_sum) const;
  double computed_fraction() const;
  int64_t last_position() const;
  lazy::StepRequest step_request();

  std::shared_ptr<const Model> model_;
  const model::Transformer& transformer_;
  AnswerRequest request_;
  lazy::PruningPlan plan_;
  std::unique_ptr<lazy::Policy> policy_;
  lazy::CacheTypes cache_types_;
  int64_t context_;
  std::shared_ptr<AnswerChannel> channel_;
  Clock::time_point submitted_ = Clock::now();
  AnswerWriter writer_;

  lazy::Sequence sequence_;
  lazy::StepPart part_;
  lazy::StepRun prefill_;
  std::unique_ptr<lazy::Snapshot> snapshot_;    // being recorded; null: none will be left
  std::vector<int32_t> kept_;                   // indices of the prompt's tokens that are computed
  std::vector<TokenId> prompt_, conversation_;  // as computed; as the reader knows it
  TokenId next_token_ = 0;
  std::vector<float> logits_;  // of the last step
  int64_t cached_tokens_ = 0, cached_pairs_ = 0;
  uint64_t editing_pairs_ = 0;  // spent by the policy on choosing
  double queue_ms_ = 0.0;
  Statistics statistics_;
  std::optional<DepthRecorder> depths_;  // if the request wants them
};

}  // namespace lazyllm::engine
