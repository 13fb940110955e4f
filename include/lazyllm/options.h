// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lazyllm {

class Cluster;
class Library;
class Model;

/// How many tokens may leave the Aux Cache in a one-token step (the paper sets no limit).
struct RevivalBudget {
  static constexpr int64_t kAll = -1;
  int64_t tokens = kAll;  ///< kAll: the paper; 0: the set chosen for the prompt is frozen
};

/// What is pruned, when and how. Unset members come from the profile, then from the preset.
/// Terms: the paper's (arXiv 2407.14057, sections 3.1 and 3.2).
struct PruningOptions {
  /// dense, lazy, random, static, compress, tsp or gem.
  std::string policy = "lazy";
  /// "LAYER:KEEP,..." (1-based layer after which to prune : share of the current set kept),
  /// or a preset: careful, balanced, fast, off, paper. Empty: careful.
  std::string prune;
  /// "last" (the paper: the last token's attention, mean over heads), "window:W" (mean over the
  /// last W queries), "value[:W]" (the same times the size of the token's value, by head),
  /// "heads:LAYER.HEAD=WEIGHT,..." (chosen heads, 1-based), "accumulate:N" (mean
  /// over the last N layers), "peak:N" (the most that any head of the last N layers gives from any
  /// of these queries); the last three may end in "@W". "ahead" or
  /// "ahead:N": what the next N layers (all that follow) would look at, found out by running the
  /// last token ahead through them.
  std::optional<std::string> score;
  /// Each score becomes the mean over this many neighbours in the current set (of a peak: the
  /// highest, 7/8 of them before it); odd.
  std::optional<int> score_pool;
  /// Adaptive: at a pruning layer the fewest tokens stay that hold this share of the unprotected
  /// tokens' scores, and at most the schedule's share. 0: off.
  std::optional<double> keep_mass;
  std::optional<int64_t> protect_first;  ///< first tokens of the prompt that always stay
  std::optional<int64_t> protect_last;   ///< last tokens of the prompt that always stay
  std::optional<RevivalBudget> revive_budget;
  std::optional<int64_t> min_prompt;  ///< shorter prompts run dense
  /// How a prompt's tokens attend, whatever the policy: "dense" (unset too), or "sparse[:SHARE]
  /// [@TOKENS]": beyond so many tokens each chunk of tokens attends to the first and the recent
  /// keys and to the share of the others that its queries are most alike to. Beside written
  /// tokens, in sliding windows and in the importance scores attention stays dense.
  std::optional<std::string> attention;
  uint64_t seed = 0;  ///< policy random
  /// Profile for policy lazy: a file, "auto" for the one find_profile() finds, "" or "none". It
  /// gives what the members above leave unset, before the preset does. An explicit `prune` goes
  /// before it: then there is no profile.
  std::string profile;
};

/// Most tokens that are computed ahead of an answer.
inline constexpr int kMostDraftedTokens = 64;

/// Tokens begin .. end-1 of a prompt.
struct TokenRange {
  int64_t begin = 0, end = 0;
};

/// Which way a prompt may be computed.
enum class Prefill {
  as_asked,  ///< as the options of pruning say, whatever was computed before
  /// Also densely instead, where that is predicted to give the first token no later: when nearly
  /// all of the prompt is there at full depth.
  soonest,
};

/// How the last hidden states of a prompt become one vector, its embedding.
enum class Pooling { none, mean, last };

/// Storage of keys and values.
enum class CacheType : uint8_t { f16, f32, q8_0 };

struct ModelOptions {
  int threads = 0;            ///< 0: one per core
  std::string isa;            ///< "": the best this processor has; see lazyllm::available_isas()
  std::string chat_template;  ///< Jinja source to use instead of the file's; empty: the file's
  /// Called while weights are repacked, with (layers done, layers in all).
  std::function<void(int, int)> on_progress;
  /// Called with each line that a user should see though the model can be used, such as one
  /// that names keys of the file which nobody knows.
  std::function<void(const std::string&)> on_message = {};
  /// Its ranks share the layers; null: this process has them all. Errors of Model::load:
  /// Error(usage) where a rank has another build or model or there are more ranks than layers,
  /// Error(unsupported) for models that cannot be split.
  std::shared_ptr<Cluster> cluster = {};
};

struct SessionOptions {
  int64_t context = 0;  ///< most tokens held; 0: the model's context length
  CacheType cache_type_k = CacheType::f16;
  CacheType cache_type_v = CacheType::f16;
  PruningOptions pruning;
  /// Keeps what was computed of prompts that begin a conversation, for other sessions and
  /// processes; null: none.
  std::shared_ptr<Library> library = {};
  Prefill prefill = Prefill::as_asked;  ///< of prompts that begin a conversation
  /// A small model with the same vocabulary that writes ahead; this one checks several tokens in
  /// one step and keeps those that it chooses itself: the answer is the same, to the bit. Null:
  /// none. Errors of a Session: Error(usage) if the vocabulary is another one.
  std::shared_ptr<const Model> draft_model = {};
  int draft_max = 8;  ///< most tokens that it writes ahead, 1 to kMostDraftedTokens
};

/// Added to the logit of a token; minus infinity forbids it.
struct LogitBias {
  int32_t token = 0;
  float bias = 0.0f;
};

/// Temperature 0 is greedy. The filters work in llama.cpp's order: logit bias, penalties, top-k,
/// top-p, min-p, temperature.
struct SamplingOptions {
  float temperature = 0.8f;
  int top_k = 40;                  ///< 0: off
  float top_p = 0.95f;             ///< 1: off
  float min_p = 0.05f;             ///< 0: off
  float repeat_penalty = 1.0f;     ///< 1: off
  int repeat_last_n = 64;          ///< tokens the penalties look back; -1: all
  float frequency_penalty = 0.0f;  ///< taken off a logit for each time its token was there
  float presence_penalty = 0.0f;   ///< taken off once if it was there at all
  std::vector<LogitBias> logit_bias;
  uint64_t seed = 0;
};

struct GenerationOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;        ///< -1: until the model ends its answer or the context is full
  std::vector<std::string> stop;  ///< strings that end the answer; not part of it
  bool ignore_eos = false;
  /// Prompt lookup decoding: most tokens that are taken from what stands in the conversation behind
  /// the words that the answer ends with, and computed along with the next step; 0: none. Only
  /// those stay that the model chooses itself: the answer is the same, to the bit, and sooner where
  /// it quotes. Fewer are taken, or none, where they are seldom right.
  int prompt_lookup_num_tokens = 0;
  /// Tokens of the prompt that are never pruned, beside protect_first and protect_last, such as
  /// ChatPrompt::protected_ranges; rising, disjoint.
  std::vector<TokenRange> protected_ranges;
};

}  // namespace lazyllm
