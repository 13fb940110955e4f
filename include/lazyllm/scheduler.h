// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "lazyllm/error.h"
#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/session.h"
#include "lazyllm/token_report.h"

namespace lazyllm {

/// Says which tokens may come next in one answer, such as only those that keep it valid JSON.
/// Called by one thread at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  /// Finds out beforehand what `restrict` needs, which may take long; a scheduler calls it on
  /// another thread while the model computes the logits. Called once for each token, or not at all.
  virtual void prepare() {}
  /// Sets the logits [vocabulary] of tokens that may not come next to minus infinity and leaves the
  /// others alone. Where none is left the answer ends with an error.
  virtual void restrict(std::span<float> logits) = 0;
  /// The token that was chosen.
  virtual void accept(TokenId token) = 0;
};

/// A query head; layers and heads count from 1, as in schedules.
struct AttentionHead {
  int layer = 0, head = 0;
};

/// How much the tokens at the end of a prompt look at parts of it.
struct AttentionQuestion {
  std::vector<TokenRange> parts;  ///< that are looked at; rising, disjoint
  /// Groups of tokens that look, all behind the parts; rising, disjoint. From the first of them to
  /// the prompt's end there are at most 4096 tokens.
  std::vector<TokenRange> queries;
  /// Empty: all heads of all layers that attend over the whole prompt. The model's last layer has
  /// none: there only the rows whose logits are wanted have queries.
  std::vector<AttentionHead> heads;
  bool by_head = false;  ///< tell each head's attention instead of the mean over all
};

struct HeadAttention {
  AttentionHead head;  ///< {0, 0}: the mean over all
  /// [queries][parts]: the probability mass on a part, mean over the tokens of a group.
  std::vector<float> mass;
};

/// One answer to be generated. With max_tokens 0 and a policy that prunes, the prompt is only read
/// ahead: up to the first pruning, for a later request that begins alike.
struct AnswerRequest {
  std::vector<TokenId> prompt;
  GenerationOptions generation;
  PruningOptions pruning;
  std::shared_ptr<TokenConstraint> constraint;
  int top_logprobs = -1;  ///< -1: no log-probabilities; 0: the chosen token's; n: and the n best
  /// These are of the distribution that the token was drawn from, behind all filters; of tokens
  /// that could not be drawn there are none.
  bool sampled_logprobs = false;
  /// -1: none; n: the log-probability of each token of the prompt behind those before it, and the n
  /// best instead. The prompt is computed densely and without cache then, whatever `pruning` says.
  int prompt_logprobs = -1;
  /// Not none: the prompt's embedding is wanted, not normalised. It is computed as for
  /// prompt_logprobs, which cannot be asked for at the same time; max_tokens must be 0.
  Pooling pooling = Pooling::none;
  /// The embedding of each token instead, as they are: the last hidden states.
  bool embeds_tokens = false;
  /// The prompt is only looked at: up to the last layer that is asked for, densely and without
  /// cache, with nothing else asked for; max_tokens must be 0.
  std::optional<AttentionQuestion> attention;
  bool report_tokens = false;  ///< how deep each token of the prompt was carried
  /// Which slot's conversation it is, for save_slot(); -1: that of the slot where it runs. It runs
  /// in any slot that is free.
  int slot = -1;
  bool use_cache = true;  ///< may start from a snapshot and leave one
  Prefill prefill = Prefill::as_asked;
  /// Documents within the prompt, rising, disjoint, that may be taken from where they were read
  /// before, in any order: below the first pruning layer (in all layers of a dense prompt) each is
  /// computed alone behind what stands before the first of them, its keys are turned to their
  /// place, and what documents would have seen of each other is lost there. What is not there yet
  /// is read, alone, at once. Where the cache has all of them in this very order they are taken
  /// from there, and nothing is lost. Not with policies that edit the prompt, nor without cache.
  std::vector<TokenRange> free_documents = {};
  /// First tokens of each moved document that are computed in place all the same.
  int64_t recomputed_tokens = kRecomputedTokens;
  static constexpr int64_t kRecomputedTokens = 16;
};

/// The prefill goes on; the first token is still to come.
struct PrefillProgress {
  int64_t prompt_tokens = 0, cached_tokens = 0;
  double share = 0.0;  ///< of the work, 0 .. 1
};

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0.0f;
};

struct AnswerToken {
  TokenId token = 0;
  /// Text that became final with it: whole UTF-8 characters, stop strings held back; may be empty.
  std::string text;
  float logprob = 0.0f;           ///< of the model's own distribution, before sampling filters
  std::vector<TokenLogprob> top;  ///< by descending probability
};

/// What became of documents in free order.
struct DocumentReuse {
  int64_t documents = 0;      ///< that were given and are long enough
  bool stored_order = false;  ///< the cache had them as they stand here; nothing was moved
  int64_t read_now = 0;       ///< were not there and were read, alone
  int64_t moved = 0;          ///< stand elsewhere than behind the head
  int64_t moved_tokens = 0;
  int64_t recomputed_tokens = 0;  ///< of documents, in place
};

/// How the prompt of an answer was computed, and what was predicted of both ways.
struct PrefillPlan {
  bool dense_instead = false;  ///< Prefill::soonest took the dense way
  bool free_order = false;     ///< documents were moved
  /// What the cache had for a dense prefill, and for the one that was made.
  int64_t dense_cached_tokens = 0;
  int dense_cached_depth = 0;
  int cached_depth = 0;
  /// Of the layers alone. Before a first measurement (`measured`) in a unit that only compares.
  double dense_ms = 0.0;
  std::optional<double> pruned_ms;  ///< none for a policy that edits the prompt: not known before
  bool measured = false;
};

struct AnswerEnd {
  FinishReason reason = FinishReason::stop;
  std::string text;  ///< the rest that was held back
  Statistics statistics;
  int64_t cached_tokens = 0;  ///< of the prompt, taken from a snapshot
  double queue_ms = 0.0;
  PrefillPlan plan;
  std::optional<DocumentReuse> documents;  ///< if free_documents were given
  std::optional<TokenReport> tokens;
  std::vector<AnswerToken> prompt_logprobs;  ///< if asked for; the first token has none: NaN
  std::vector<float> embedding;              ///< [hidden_size], or of each token, if asked for
  std::vector<HeadAttention> attention;      ///< if asked for; by layer, then head
  std::optional<Error> error;                ///< set if the answer broke off for a reason of ours
};

using AnswerEvent = std::variant<PrefillProgress, AnswerToken, AnswerEnd>;

/// An answer under way. Thread-safe. Letting go of it cancels what is not finished.
class Answer {
 public:
  virtual ~Answer() = default;
  /// The next event, in order; nothing at the time limit. AnswerEnd comes last and once.
  virtual std::optional<AnswerEvent> wait(std::chrono::milliseconds limit) = 0;
  virtual void cancel() = 0;
};

struct SchedulerOptions {
  int parallel = 4;     ///< answers in work at a time
  int64_t context = 0;  ///< most tokens of one answer with its prompt; 0: the model's
  CacheType cache_type_k = CacheType::f16;
  CacheType cache_type_v = CacheType::f16;
  uint64_t kv_bytes = 0;     ///< keys, values and hidden rows of all answers; 0: parallel x context
  uint64_t cache_bytes = 0;  ///< snapshots of prompts; 0: none
  /// Folder that keeps the snapshots over a restart; empty: none. Needs cache_bytes.
  std::filesystem::path cache_folder = {};
  std::function<void(const std::string&)> on_message = {};  ///< what an operator may want to know
  /// While nobody waits, carry snapshots on to all layers, so that a later question about them
  /// costs what its own words cost. Needs cache_bytes.
  bool deepen_when_idle = false;
  int64_t max_queue = 64;  ///< requests that may wait
  /// Most time a prefill may take between two steps of answers under way; 0: 1.5 times such a step.
  double prefill_slice_ms = 0.0;
  /// Keeps snapshots beyond what cache_bytes hold, for later and for other processes; null: none.
  /// Needs cache_bytes.
  std::shared_ptr<Library> library = {};
};

struct SlotInfo {
  int id = 0;
  bool busy = false;
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double prefill_share = 0.0;
};

/// Totals since start. Times in seconds.
struct SchedulerMetrics {
  uint64_t requests = 0, refused = 0, cancelled = 0;
  uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double prefill_seconds = 0.0, decode_seconds = 0.0;
  uint64_t decode_steps = 0, decode_rows = 0;  ///< rows / steps = answers that share a step
  uint64_t computed_pairs = 0, dense_pairs = 0;
  int64_t running = 0, waiting = 0;
  uint64_t kv_bytes_reserved = 0, kv_bytes_total = 0;
  uint64_t snapshots = 0, snapshot_bytes = 0, snapshot_hits = 0;
  /// Snapshots carried to all layers in idle time, their tokens, and the share done of the one
  /// in work; 0: none is.
  uint64_t deepened_snapshots = 0, deepened_tokens = 0;
  double deepening_share = 0.0, idle_seconds = 0.0;
  bool settled = false;  ///< nothing is left to do, in idle time either
};

/// Continuous batching: answers join and leave at every step, each with its own token set; their
/// rows share the matrix products, and a long prefill runs between decode steps in slices.
/// An answer's bits do not depend on what runs beside it. All functions are thread-safe.
class Scheduler {
 public:
  /// Errors: Error(usage), Error(unsupported) for a model without weights.
  Scheduler(std::shared_ptr<const Model> model, const SchedulerOptions& options);
  /// Cancels what is running.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Queues a request. Errors: Error(usage | invalid_input) for what the request asks,
  /// Error(context_full) with the numbers if it can never fit, Error(overloaded) if the queue is
  /// full or the scheduler is draining.
  std::unique_ptr<Answer> submit(AnswerRequest request);

  /// Drops, soon, what was computed of prompts that hold these tokens, also in the library. Answers
  /// in work go on. (Where a text begins and ends its tokens depend on what stands beside it: the
  /// outermost few need not be found.)
  void forget(std::vector<TokenId> tokens);

  /// A slot's conversation is that of the last answer that ended there. Its snapshot can be written
  /// to a file and read back into any slot, also by another process of the same program and model.
  struct SlotFile {
    int64_t tokens = 0;
    uint64_t bytes = 0;
  };
  /// Errors of the three: Error(usage) if there is no such slot, Error(overloaded) if the scheduler
  /// stops. Of saving: Error(invalid_input) if the slot holds nothing, Error(io).
  SlotFile save_slot(int slot, const std::filesystem::path& path);
  /// Errors: also those of a file that is missing, damaged, or of another model, program or
  /// machine.
  SlotFile restore_slot(int slot, const std::filesystem::path& path);
  /// Drops what was kept of the slot's conversation, also in the library; returns its tokens.
  int64_t erase_slot(int slot);

  /// Takes no more requests; waits until all answers ended, at most `limit`, then cancels the rest.
  void drain(std::chrono::milliseconds limit);

  std::vector<SlotInfo> slots() const;
  SchedulerMetrics metrics() const;
  const SchedulerOptions& options() const;  ///< with everything filled in

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
