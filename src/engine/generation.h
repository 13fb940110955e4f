// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/answer_writer.h"
#include "engine/depth_recorder.h"
#include "engine/model_implementation.h"
#include "engine/prompt_lookup.h"
#include "engine/split_model.h"
#include "engine/step_cost.h"
#include "engine/verifying_step.h"
#include "lazy/policy.h"
#include "lazy/sequence.h"
#include "lazy/step.h"
#include "lazyllm/session.h"

namespace lazyllm::engine {

/// The prompt that comes next in a conversation. What it points to stays until begin_prompt() is
/// over.
struct PromptPart {
  std::span<const TokenId> tokens;  ///< behind those of the conversation; one at least
  /// Tokens of the whole conversation, this part included, that no policy may drop.
  std::span<const TokenRange> protected_ranges;
  bool dense = false;  ///< whatever the plan says
  const std::atomic<bool>* cancel = nullptr;
  lazy::StepProgress progress;  ///< while the policy looks at the prompt
  bool exact = false;           ///< with dense attention, whatever the plan says
};

/// What may be computed along with a step.
struct DraftRoom {
  StepCost* cost = nullptr;             ///< null: nothing
  int64_t rows_beside = 0;              ///< of other answers in the same step
  int64_t context = 0;                  ///< most tokens of the conversation
  std::span<const TokenId> known = {};  ///< what follows in any case, instead of guesses
};

/// The generation core: one conversation with everything computed for it, and what its next step
/// is to be. It chooses the policy, says what is protected, keeps the logits, the statistics and
/// how deep tokens were carried, and writes the answer. It makes no step itself: whoever drives it
/// (a session, an answer of the scheduler, a trial of tuning) takes a request, makes the step and
/// hands the report back.
///
///   begin_prompt() -> [restored()] -> prompt_step() -> step -> end_prompt()
///     -> { write() or the driver's own token -> take_drafted() or
///          (begin_decode() -> step -> end_decode()) } -> drop_drafted()
///
/// A step that throws is taken back by abandon_step(). One thread at a time.
class Generation {
 public:
  using Clock = std::chrono::steady_clock;

  Generation(std::shared_ptr<const Model> model, lazy::PruningPlan plan,
             lazy::CacheTypes cache_types);
  /// Goes on where another one stands, with a policy of its own; both share memory until one of
  /// them writes. Takes no writer along.
  explicit Generation(const Generation& other);
  Generation& operator=(const Generation&) = delete;

  // --- what it knows
  const model::Transformer& transformer() const { return transformer_; }
  const Model& model() const { return *model_; }
  const lazy::PruningPlan& plan() const { return plan_; }
  lazy::CacheTypes cache_types() const { return cache_types_; }
  lazy::Policy& policy() { return *policy_; }
  lazy::Sequence& sequence() { return sequence_; }
  const lazy::Sequence& sequence() const { return sequence_; }
  /// As its reader knows it; a policy that edits prompts computes a part of it only.
  std::span<const TokenId> conversation() const { return conversation_; }
  int64_t size() const { return std::ssize(conversation_); }
  const Statistics& statistics() const { return statistics_; }
  const TokenReport& token_report() const { return depths_.report(); }
  /// [vocabulary], behind the last token that was computed.
  std::span<const float> logits() const { return logits_; }
  /// Of the prompt's tokens, how many restored() gave.
  int64_t cached_tokens() const { return cached_tokens_; }

  // --- the conversation
  /// Forgets the tokens from `size` on.
  void truncate(int64_t size);
  /// Forgets what differs from `tokens` and their last one, since its logits choose the first word;
  /// returns how many are held.
  int64_t keep_common_prefix(std::span<const TokenId> tokens);

  // --- the prompt
  /// Clears the statistics; chooses the policy by the length and lets it edit the prompt.
  /// `editor`: makes the steps that the policy needs to choose.
  void begin_prompt(const PromptPart& prompt, lazy::Stepper& editor);
  /// What of the prompt will be computed, after the policy edited it.
  std::span<const TokenId> edited_prompt() const { return edited_; }
  /// Whether the policy left something out or computed something to choose.
  bool was_edited() const;
  /// How the prompt in work attends: dense where it is too short for anything else.
  const lazy::AttentionForm& attention() const { return attention_; }
  /// Tokens of sequence() up to the prompt's end.
  int64_t prompt_end() const { return prompt_end_; }
  /// Layers that every token passes with all tokens before it in the set, whatever follows: a
  /// snapshot of them holds for others, too.
  int exact_depth() const;
  /// The queries of this many last tokens make the score: they are computed in any case.
  int64_t scoring_tokens() const { return std::max(1, policy_->score().window); }
  /// The first tokens of the prompt came into sequence() from elsewhere, as a step would have left
  /// them.
  void restored();
  /// (token, layer) pairs that were computed for this prompt outside its step.
  void note_pairs_beside(uint64_t pairs) { beside_pairs_ = pairs; }
  lazy::StepRequest prompt_step();
  void end_prompt(const lazy::StepReport& report);
  /// Instead of begin_prompt() to end_prompt(): takes what another one with the same prompt and
  /// plan computed. `report`: of that one's step.
  void share_prompt(const Generation& other, const lazy::StepReport& report);

  // --- the answer
  /// From here on write() may be called. Times count from `start`.
  void begin_answer(const GenerationOptions& options, std::shared_ptr<TokenConstraint> constraint,
                    Clock::time_point start);
  /// Chooses the next token from logits(). A constraint changes these.
  /// Errors: as Sampler::sample.
  AnswerWriter::Written write();
  AnswerWriter& writer() { return *writer_; }
  const AnswerWriter& writer() const { return *writer_; }
  /// Counts a token that the driver chose itself.
  void count_token();
  /// Also keep the share that is computed after each token (Statistics::computed_by_step).
  void record_computed_share() { records_computed_share_ = true; }
  /// Also note how deep each token is carried (token_report()).
  void record_depths() { records_depths_ = true; }

  /// Whether the token was computed along with the one before, as a draft; then its step is done,
  /// and logits() are those behind it. Otherwise what was drafted is taken back.
  bool take_drafted(TokenId token);
  /// The parts of the next step: of this token, and of those that are drafted behind it.
  std::span<lazy::StepPart* const> begin_decode(TokenId token, const DraftRoom& room,
                                                const std::atomic<bool>* cancel = nullptr,
                                                lazy::StepObserver* observer = nullptr);
  /// Errors: what a part failed with.
  void end_decode();
  /// A whole step for a token, if it is not computed yet. A step that throws is taken back.
  /// Errors: Error(cancelled).
  void decode(TokenId token, lazy::Stepper& stepper, const DraftRoom& room = {},
              const std::atomic<bool>* cancel = nullptr);
  /// Guesses where prompt lookup has nothing; stays with the caller. Null: nobody does.
  void set_drafter(Drafter* drafter) { drafter_ = drafter; }
  /// Takes back what was computed of drafts and not confirmed.
  void drop_drafted();
  /// Tokens of sequence() that the conversation has, too.
  int64_t confirmed_size() const { return sequence_.size() - verifying_.ahead(); }

  /// After a step that threw or that will not be made: the sequence as before it.
  void abandon_step();
  /// What follows from the times, the tokens and the sequence, once, at the end.
  void finish_statistics();
  /// Of what the driver measures itself.
  void set_times(double ttft_ms, double total_ms);

 private:
  lazy::StepRequest step_request();
  void choose_policy(int64_t tokens, bool dense);
  std::unique_ptr<lazy::Policy> make_policy() const;
  int64_t draft_room(int64_t context) const;
  std::span<const TokenId> draft(TokenId token, const DraftRoom& room);
  void take_row(TokenId token);
  void remember(std::span<const TokenId> tokens, std::span<const int32_t> kept);
  void protect(std::span<const TokenRange> ranges);
  std::vector<int64_t> sequence_indices() const;
  double computed_fraction() const;

  std::shared_ptr<const Model> model_;
  const model::Transformer& transformer_;
  lazy::PruningPlan plan_;
  lazy::CacheTypes cache_types_;
  std::unique_ptr<lazy::Policy> policy_;
  lazy::Sequence sequence_;

  // sequence_end_[i] = tokens of sequence_ up to and with conversation_[i].
  std::vector<TokenId> conversation_;
  std::vector<int64_t> sequence_end_;

  // The prompt in work or last computed, within sequence_.
  std::vector<TokenId> prompt_, edited_;
  std::vector<int32_t> kept_;
  std::vector<TokenRange> protected_;  // within sequence_
  lazy::AttentionForm attention_;
  int64_t prompt_begin_ = 0, prompt_end_ = 0;
  uint64_t editing_pairs_ = 0;  // spent by the policy on choosing
  uint64_t beside_pairs_ = 0;
  int64_t cached_tokens_ = 0;
  uint64_t cached_pairs_ = 0;

  int64_t step_begin_ = 0;  // tokens of sequence_ before the step under way
  TokenId step_token_ = 0;
  VerifyingStep verifying_;
  std::optional<PromptLookup> lookup_;  // none: nothing is looked up
  Drafter* drafter_ = nullptr;
  lazy::StepRun run_;  // of decode()
  std::vector<float> logits_;
  std::optional<AnswerWriter> writer_;
  Clock::time_point start_ = Clock::now();
  bool records_computed_share_ = false, records_depths_ = false;
  Statistics statistics_;
  LinkMeter link_meter_;
  DepthRecorder depths_;
};

}  // namespace lazyllm::engine
