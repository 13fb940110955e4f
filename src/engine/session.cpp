// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/session.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "engine/answer_writer.h"
#include "engine/depth_recorder.h"
#include "engine/model_implementation.h"
#include "engine/profiles.h"
#include "engine/step_statistics.h"
#include "lazy/policy.h"
#include "lazy/step.h"

namespace lazyllm {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double log_probability(std::span<const float> logits, TokenId token) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - top);
  return logits[static_cast<size_t>(token)] - top - std::log(sum);
}

kernels::CacheType to_kernel(CacheType type) {
  return static_cast<kernels::CacheType>(type);
}

}  // namespace

struct Session::Implementation {
  Implementation(std::shared_ptr<const Model> owner, const SessionOptions& options);

  GenerationResult generate(std::span<const TokenId> tokens, const GenerationOptions& options,
                            const GenerationCallbacks& callbacks);
  void logits(std::span<const TokenId> tokens, std::span<const int32_t> positions,
              const lazy::LogitsSink& sink);
  void forced_logits(std::span<const TokenId> prompt, std::span<const TokenId> continuation,
                     const lazy::LogitsSink& sink);
  void truncate(int64_t size);
  void check_tokens(std::span<const TokenId> tokens) const;

  /// Forgets what differs from `tokens`; returns how many of them are held.
  int64_t keep_common_prefix(std::span<const TokenId> tokens);
  /// The prompt step: fills last_logits and the statistics of the prefill.
  void prefill(std::span<const TokenId> prompt, const GenerationCallbacks& callbacks);
  void decode(TokenId token);
  const lazy::StepReport& run_step(std::span<const TokenId> tokens, lazy::StepKind kind,
                                   const GenerationCallbacks& callbacks);
  void choose_policy(int64_t total_tokens);
  void remember(std::span<const TokenId> tokens, std::span<const int32_t> kept);
  /// Where the tokens of the conversation stand in `sequence`; -1: left out by the policy.
  std::vector<int64_t> sequence_indices() const;
  double prompt_fraction() const;
  void count_token();
  /// What follows from the times, the tokens and the sequence.
  void finish_statistics();

  std::shared_ptr<const Model> model;
  const model::Transformer& transformer;
  lazy::PruningPlan plan;
  std::unique_ptr<lazy::Policy> policy;
  lazy::Stepper stepper;
  lazy::CacheTypes cache_types;
  lazy::Sequence sequence;
  int64_t context = 0;
  std::atomic<bool> cancelled{false};
  Statistics statistics;
  engine::DepthRecorder depths;

  // The conversation as its user sees it. A policy that edits prompts computes only
  // a part of it: sequence_end[i] = tokens of `sequence` up to and with tokens_[i].
  std::vector<TokenId> conversation;
  std::vector<int64_t> sequence_end;

  std::vector<float> last_logits;
  // The last prompt within `sequence`: its tail is protected, its depths are counted.
  int64_t prompt_begin = 0, prompt_end = 0;
  int64_t prompt_tokens = 0;   // before a policy edited it
  uint64_t editing_pairs = 0;  // spent by the policy on choosing
};

Session::Implementation::Implementation(std::shared_ptr<const Model> owner,
                                        const SessionOptions& options)
    : model(std::move(owner)),
      transformer(model->implementation().require_transformer()),
      plan(engine::make_plan(options.pruning, *model)),
      policy(lazy::create_policy(plan)),
      stepper(transformer),
      cache_types{to_kernel(options.cache_type_k), to_kernel(options.cache_type_v)},
      sequence(transformer, cache_types) {
  const int64_t trained = transformer.hyperparameters().context_length;
  context = options.context == 0 ? trained : options.context;
  if (context < 1) fail(ErrorCode::usage, "--ctx-size {}: must be at least 1", context);
  if (context > trained) {
    fail(ErrorCode::usage,
         "--ctx-size {}: the model was trained for a context of {}; write at most that", context,
         trained);
  }
}

void Session::Implementation::check_tokens(std::span<const TokenId> tokens) const {
  if (tokens.empty()) {
    fail(ErrorCode::invalid_input, "the prompt is empty; give some text with -p or -f");
  }
  const int64_t size = transformer.hyperparameters().vocabulary_size;
  for (const TokenId token : tokens) {
    if (token < 0 || token >= size) {
      fail(ErrorCode::invalid_input, "token id {} is out of range; the model has ids 0 to {}",
           token, size - 1);
    }
  }
  if (static_cast<int64_t>(tokens.size()) > context) {
    fail(ErrorCode::context_full,
         "the prompt has {} tokens but the context holds {}; shorten the prompt{}", tokens.size(),
         context,
         context < transformer.hyperparameters().context_length
             ? fmt::format(" or raise --ctx-size (up to {})",
                           transformer.hyperparameters().context_length)
             : std::string());
  }
}

void Session::Implementation::truncate(int64_t size) {
  if (size >= static_cast<int64_t>(conversation.size())) return;
  sequence.truncate(size == 0 ? 0 : sequence_end[static_cast<size_t>(size) - 1]);
  conversation.resize(static_cast<size_t>(size));
  sequence_end.resize(static_cast<size_t>(size));
}

int64_t Session::Implementation::keep_common_prefix(std::span<const TokenId> tokens) {
  const auto mismatch =
      std::mismatch(conversation.begin(), conversation.end(), tokens.begin(), tokens.end());
  auto common = static_cast<int64_t>(mismatch.first - conversation.begin());
  // At least one token must be computed, because its logits choose the first word.
  common = std::min(common, static_cast<int64_t>(tokens.size()) - 1);
  truncate(common);
  return common;
}

void Session::Implementation::remember(std::span<const TokenId> tokens,
                                       std::span<const int32_t> kept) {
  int64_t end = sequence_end.empty() ? 0 : sequence_end.back();
  size_t next = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (next < kept.size() && kept[next] == static_cast<int32_t>(i)) {
      ++next;
      ++end;
    }
    conversation.push_back(tokens[i]);
    sequence_end.push_back(end);
  }
}

std::vector<int64_t> Session::Implementation::sequence_indices() const {
  std::vector<int64_t> indices;
  indices.reserve(sequence_end.size());
  int64_t previous = 0;
  for (const int64_t end : sequence_end) {
    indices.push_back(end > previous ? end - 1 : -1);
    previous = end;
  }
  return indices;
}

void Session::Implementation::choose_policy(int64_t total_tokens) {
  const bool dense = total_tokens < plan.min_prompt;
  if ((policy->name() == "dense") != dense || policy->name() != plan.policy_name) {
    policy = dense ? lazy::make_dense_policy() : lazy::create_policy(plan);
  }
  statistics.policy = policy->name();
  statistics.schedule = policy->name() == "dense" ? "" : lazy::to_string(plan.schedule);
}

const lazy::StepReport& Session::Implementation::run_step(std::span<const TokenId> tokens,
                                                          lazy::StepKind kind,
                                                          const GenerationCallbacks& callbacks) {
  lazy::StepRequest request;
  request.new_tokens = tokens;
  request.kind = kind;
  request.protect_first = plan.protect_first;
  request.tail_begin = std::max(prompt_begin, prompt_end - plan.protect_last);
  request.tail_end = prompt_end;
  request.revive_budget = plan.revive_budget;
  request.logits = [&](int64_t, std::span<const float> values) {
    last_logits.assign(values.begin(), values.end());
  };
  request.cancel = &cancelled;
  if (callbacks.on_progress) {
    request.progress = [&](int layer, int layers, double share) {
      callbacks.on_progress((layer + share) / layers, layer, layers);
    };
  }
  const int64_t before = sequence.size();
  try {
    return stepper.step(sequence, *policy, request);
  } catch (...) {
    sequence.truncate(before);
    throw;
  }
}

void Session::Implementation::prefill(std::span<const TokenId> prompt,
                                      const GenerationCallbacks& callbacks) {
  choose_policy(static_cast<int64_t>(conversation.size() + prompt.size()));
  lazy::PromptEditor editor{transformer,       stepper, plan.seed,  plan.protect_first,
                            plan.protect_last, {},      &cancelled, {}};
  if (callbacks.on_progress) {
    editor.progress = [&](int layer, int layers, double share) {
      callbacks.on_progress((layer + share) / layers, layer, layers);
    };
  }
  const lazy::EditedPrompt edited = policy->edit_prompt(prompt, editor);
  std::vector<TokenId> tokens;
  for (const int32_t index : edited.kept) tokens.push_back(prompt[static_cast<size_t>(index)]);

  prompt_tokens = static_cast<int64_t>(prompt.size());
  editing_pairs = edited.computed_pairs;
  prompt_begin = sequence.size();
  prompt_end = prompt_begin + static_cast<int64_t>(tokens.size());
  const lazy::StepReport& report = run_step(tokens, lazy::StepKind::prompt, callbacks);
  remember(prompt, edited.kept);
  depths.start(sequence, sequence_indices());

  statistics.prompt_tokens = prompt_tokens;
  statistics.computed_fraction = prompt_fraction();
  engine::add_prompt_step(report, statistics);
}

double Session::Implementation::prompt_fraction() const {
  uint64_t pairs = editing_pairs;
  for (int64_t token = prompt_begin; token < prompt_end; ++token) {
    pairs += static_cast<uint64_t>(sequence.depth(token));
  }
  return static_cast<double>(pairs) /
         (static_cast<double>(prompt_tokens) * transformer.hyperparameters().layers);
}

void Session::Implementation::decode(TokenId token) {
  const TokenId tokens[] = {token};
  const int32_t kept[] = {0};
  const int64_t revived = run_step(tokens, lazy::StepKind::decode, {}).revived;
  statistics.revived_tokens += revived;
  depths.note_step(sequence, revived > 0);
  remember(tokens, kept);
}

GenerationResult Session::Implementation::generate(std::span<const TokenId> tokens,
                                                   const GenerationOptions& options,
                                                   const GenerationCallbacks& callbacks) {
  check_tokens(tokens);
  engine::AnswerWriter writer(model->implementation().tokenizer.get(), options);
  GenerationResult result;
  const auto show = [&](const std::string& text) {
    if (text.empty()) return;
    result.text += text;
    if (callbacks.on_text) callbacks.on_text(text);
  };

  cancelled = false;
  statistics = {};
  depths.clear();
  const Clock::time_point start = Clock::now();
  try {
    const int64_t held = keep_common_prefix(tokens);
    prefill(tokens.subspan(static_cast<size_t>(held)), callbacks);
    while (!writer.finish_reason()) {
      const engine::AnswerWriter::Written written = writer.write(last_logits, conversation);
      statistics.total_ms = milliseconds_since(start);
      if (statistics.generated_tokens == 0) statistics.ttft_ms = statistics.total_ms;
      count_token();
      result.tokens.push_back(written.token);
      show(written.text);
      if (writer.finish_reason() || static_cast<int64_t>(conversation.size()) >= context) break;
      decode(written.token);
    }
    result.finish_reason = writer.finish_reason().value_or(FinishReason::length);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled) throw;
    result.finish_reason = FinishReason::cancelled;
  }
  show(writer.finish());

  finish_statistics();
  return result;
}

void Session::Implementation::count_token() {
  ++statistics.generated_tokens;
  if (statistics.policy != "dense") statistics.computed_by_step.push_back(prompt_fraction());
}

void Session::Implementation::finish_statistics() {
  if (statistics.generated_tokens > 1) {
    statistics.tpot_ms = (statistics.total_ms - statistics.ttft_ms) /
                         static_cast<double>(statistics.generated_tokens - 1);
  }
  statistics.computed_fraction_end = statistics.prompt_tokens > 0 ? prompt_fraction() : 0.0;
  statistics.kv_bytes = sequence.kv_bytes();
  statistics.aux_bytes = sequence.aux_bytes();
}

void Session::Implementation::forced_logits(std::span<const TokenId> prompt,
                                            std::span<const TokenId> continuation,
                                            const lazy::LogitsSink& sink) {
  std::vector<TokenId> all(prompt.begin(), prompt.end());
  all.insert(all.end(), continuation.begin(), continuation.end());
  check_tokens(all);
  if (prompt.empty() || continuation.empty()) {
    fail(ErrorCode::invalid_input, "forced tokens want a prompt and a continuation");
  }
  cancelled = false;
  statistics = {};
  depths.clear();
  Clock::time_point start = Clock::now();
  const int64_t held = keep_common_prefix(prompt);
  prefill(prompt.subspan(static_cast<size_t>(held)), {});
  statistics.ttft_ms = milliseconds_since(start);
  statistics.total_ms = statistics.ttft_ms;
  for (size_t i = 0; i < continuation.size(); ++i) {
    if (i > 0) {
      start = Clock::now();
      decode(continuation[i - 1]);
      statistics.total_ms += milliseconds_since(start);
    }
    count_token();
    sink(static_cast<int64_t>(i), last_logits);
  }
  finish_statistics();
}

void Session::Implementation::logits(std::span<const TokenId> tokens,
                                     std::span<const int32_t> positions,
                                     const lazy::LogitsSink& sink) {
  check_tokens(tokens);
  for (size_t i = 0; i < positions.size(); ++i) {
    const bool rising = i == 0 || positions[i - 1] < positions[i];
    if (positions[i] < 0 || positions[i] >= static_cast<int64_t>(tokens.size()) || !rising) {
      fail(ErrorCode::invalid_input, "logit positions must rise and lie in 0 to {}",
           tokens.size() - 1);
    }
  }
  cancelled = false;
  truncate(0);
  const std::unique_ptr<lazy::Policy> dense = lazy::make_dense_policy();
  lazy::StepRequest request;
  request.new_tokens = tokens;
  request.logit_positions = positions;
  request.logits = sink;
  request.cancel = &cancelled;
  try {
    stepper.step(sequence, *dense, request);
  } catch (...) {
    sequence.truncate(0);
    throw;
  }
  std::vector<int32_t> all(tokens.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
  remember(tokens, all);
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options)
    : implementation_(std::make_unique<Implementation>(std::move(model), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

GenerationResult Session::generate(std::span<const TokenId> tokens,
                                   const GenerationOptions& options,
                                   const GenerationCallbacks& callbacks) {
  return implementation_->generate(tokens, options, callbacks);
}

void Session::logits(std::span<const TokenId> tokens, std::span<const int32_t> positions,
                     const std::function<void(int64_t, std::span<const float>)>& sink) {
  implementation_->logits(tokens, positions, sink);
}

void Session::forced_logits(std::span<const TokenId> prompt, std::span<const TokenId> continuation,
                            const std::function<void(int64_t, std::span<const float>)>& sink) {
  implementation_->forced_logits(prompt, continuation, sink);
}

double Session::log_likelihood(std::span<const TokenId> prompt,
                               std::span<const TokenId> continuation) {
  double sum = 0.0;
  forced_logits(prompt, continuation, [&](int64_t index, std::span<const float> logits) {
    sum += log_probability(logits, continuation[static_cast<size_t>(index)]);
  });
  return sum / static_cast<double>(continuation.size());
}

void Session::cancel() noexcept {
  implementation_->cancelled = true;
}
void Session::reset() {
  implementation_->truncate(0);
}
void Session::truncate(int64_t size) {
  implementation_->truncate(std::max<int64_t>(size, 0));
}
int64_t Session::size() const {
  return static_cast<int64_t>(implementation_->conversation.size());
}
int64_t Session::context() const {
  return implementation_->context;
}
const Statistics& Session::statistics() const {
  return implementation_->statistics;
}
const TokenReport& Session::token_report() const {
  return implementation_->depths.report();
}

}  // namespace lazyllm
