// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/model.h"
#include "lazyllm/options.h"
#include "lazyllm/token_report.h"

namespace lazyllm {

/// What the last answer cost. Times in milliseconds. JSON keys of --stats-json are these names.
/// Bytes from one rank of a Cluster to another.
struct LinkBytes {
  int from = 0, to = 0;
  int64_t rows = 0;   ///< hidden states of tokens: of those kept only, behind a cut
  int64_t other = 0;  ///< what to compute, scores, tables
};

struct Statistics {
  std::string policy;     ///< the one that ran: a short prompt runs dense
  std::string schedule;   ///< "19:0.1"; empty for dense
  std::string attention;  ///< of the prompt: "dense" or "sparse:0.12@4096"
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  double ttft_ms = 0.0;   ///< prompt handed over -> first token chosen
  double tpot_ms = 0.0;   ///< mean time of the further tokens
  double total_ms = 0.0;  ///< prompt handed over -> last token chosen
  /// (token, layer) pairs of the prompt computed in the prefill / (prompt tokens * layers); layers
  /// that read keys and values of earlier ones do not count here.
  double computed_fraction = 0.0;
  double computed_fraction_end = 0.0;  ///< the same after the last generated token
  /// The same after each generated token; of a Session, and not of a dense run.
  std::vector<double> computed_by_step;
  std::vector<int64_t> kept_per_layer;  ///< tokens entering each layer in the prefill
  /// (query, key) pairs of the prompt's attention / those of dense attention in the same layers.
  double attention_share = 1.0;
  /// Share of all (token, layer) pairs of the prompt that lie in layers which read keys and values
  /// of earlier ones and that so needed no computing; exact. 0 in a model without such layers.
  double shared_kv_saved = 0.0;
  int64_t revived_tokens = 0;            ///< times a token left the Aux Cache
  int64_t draft_n = 0;                   ///< tokens that prompt lookup or a draft model proposed
  int64_t draft_n_accepted = 0;          ///< and of them those that it wrote
  uint64_t kv_bytes = 0, aux_bytes = 0;  ///< allocated
  // Where the prefill's time went.
  double linear_ms = 0.0, attention_ms = 0.0, pruning_ms = 0.0, head_ms = 0.0;
  /// With a cluster: what went over its links in the time of this answer, for whomever.
  std::vector<LinkBytes> links;
};

enum class FinishReason {
  stop,    ///< the model ended its answer, or a stop string came
  length,  ///< the token limit or the end of the context
  cancelled,
};

struct GenerationResult {
  std::string text;
  std::vector<TokenId> tokens;
  FinishReason finish_reason = FinishReason::stop;
};

struct GenerationCallbacks {
  /// Text as it becomes final: whole UTF-8 characters, stop strings held back.
  std::function<void(std::string_view text)> on_text;
  /// During the prefill: share done in 0 .. 1 and the layer in work (0-based).
  std::function<void(double share, int layer, int layers)> on_progress;
};

/// One conversation on a model: its tokens with everything computed for them.
/// Belongs to one thread; cancel() may be called from any.
class Session {
 public:
  /// Errors: Error(usage) for a schedule the model cannot have, Error(unsupported)
  /// for a model loaded without weights.
  Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// Answers a conversation given as all its tokens. Tokens that the session already
  /// holds at the beginning are continued from (the paper's way: their deeper state
  /// stays); what does not match is forgotten first.
  /// Errors: Error(invalid_input) for an empty prompt or ids out of range,
  /// Error(context_full) with the numbers when it does not fit. The session stays valid.
  GenerationResult generate(std::span<const TokenId> tokens, const GenerationOptions& options = {},
                            const GenerationCallbacks& callbacks = {});

  /// Computes the beginning of a conversation ahead, to the first pruning: a later generate() that
  /// begins a conversation with these tokens goes on from there, with the same bits. Forgets the
  /// conversation. Returns false if it was cancelled. Errors: as generate().
  bool read_ahead(std::span<const TokenId> tokens, const GenerationOptions& options = {},
                  const GenerationCallbacks& callbacks = {});

  /// Mean natural logarithm of the probabilities of `continuation`'s tokens, each behind the
  /// prompt and those before it; otherwise as forced_logits().
  double log_likelihood(std::span<const TokenId> prompt, std::span<const TokenId> continuation,
                        std::span<const TokenRange> protected_ranges = {});

  /// Logits [vocabulary] from which each of `continuation`'s tokens would be chosen, in order:
  /// behind the prompt, then behind each token, which comes in as if the model had written it.
  /// `protected_ranges`: of the prompt, as GenerationOptions has them.
  /// Policy and statistics are those of generate(); time spent in `sink` does not count.
  /// Errors: as generate(); Error(invalid_input) for an empty continuation.
  void forced_logits(std::span<const TokenId> prompt, std::span<const TokenId> continuation,
                     const std::function<void(int64_t index, std::span<const float> logits)>& sink,
                     std::span<const TokenRange> protected_ranges = {});

  /// Logits of a dense pass over `tokens` at the given rising positions, each [vocabulary].
  /// Starts from an empty session and leaves it holding the tokens.
  void logits(std::span<const TokenId> tokens, std::span<const int32_t> positions,
              const std::function<void(int64_t position, std::span<const float> logits)>& sink);

  /// Ends a running generate() soon, with FinishReason::cancelled. Thread-safe.
  void cancel() noexcept;
  /// Forgets everything.
  void reset();
  /// Forgets the tokens from `size` on.
  void truncate(int64_t size);

  int64_t size() const;     ///< tokens of the conversation held
  int64_t context() const;  ///< most tokens it can hold
  const Statistics& statistics() const;
  /// How deep all tokens given to the last generate() were carried; a token that the policy left
  /// out before the model has depth 0. Empty if the prefill did not end.
  const TokenReport& token_report() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
