// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/session.h"

#include <atomic>
#include <chrono>
#include <numeric>

#include "base/error.h"
#include "base/log_softmax.h"
#include "engine/generation.h"
#include "engine/model_drafter.h"
#include "engine/profiles.h"
#include "engine/prompt_check.h"
#include "engine/session_snapshots.h"
#include "lazy/step.h"

namespace lazyllm {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

kernels::CacheType to_kernel(CacheType type) {
  return static_cast<kernels::CacheType>(type);
}

}  // namespace

/// Drives a Generation by whole steps of its own.
struct Session::Implementation {
  Implementation(std::shared_ptr<const Model> owner, const SessionOptions& options);

  GenerationResult generate(std::span<const TokenId> tokens, const GenerationOptions& options,
                            const GenerationCallbacks& callbacks);
  void logits(std::span<const TokenId> tokens, std::span<const int32_t> positions,
              const lazy::LogitsSink& sink);
  void forced_logits(std::span<const TokenId> prompt, std::span<const TokenId> continuation,
                     std::span<const TokenRange> protected_ranges, const lazy::LogitsSink& sink);

  bool read_ahead(std::span<const TokenId> tokens, const GenerationOptions& options,
                  const GenerationCallbacks& callbacks);

  enum class To { the_logits, the_first_pruning };
  void prefill(std::span<const TokenId> tokens, std::span<const TokenRange> protected_ranges,
               const GenerationCallbacks& callbacks, To to = To::the_logits);
  engine::PrefillQuestion question(std::span<const TokenId> tokens,
                                   std::span<const TokenRange> protected_ranges) const;
  const lazy::StepReport& run_step(lazy::StepRequest request);
  void check(std::span<const TokenId> tokens) const {
    engine::check_prompt(tokens, context, transformer.hyperparameters());
  }

  const model::Transformer& transformer;
  lazy::Stepper stepper;
  engine::Generation generation;
  int64_t context = 0;
  engine::StepCost step_cost;
  std::optional<engine::ModelDrafter> drafter;
  Prefill wanted = Prefill::as_asked;
  /// With a library, or once something was read ahead. The generation outlives it.
  std::optional<engine::SessionSnapshots> snapshots;
  std::shared_ptr<const Model> model;
  std::atomic<bool> cancelled{false};
};

Session::Implementation::Implementation(std::shared_ptr<const Model> owner,
                                        const SessionOptions& options)
    : transformer(owner->implementation().require_transformer()),
      stepper(transformer),
      generation(owner, engine::make_plan(options.pruning, *owner),
                 {to_kernel(options.cache_type_k), to_kernel(options.cache_type_v)}),
      wanted(options.prefill),
      model(owner) {
  const int64_t trained = transformer.hyperparameters().context_length;
  context = options.context == 0 ? trained : options.context;
  if (context < 1) fail(ErrorCode::usage, "--ctx-size {}: must be at least 1", context);
  if (context > trained) {
    fail(ErrorCode::usage,
         "--ctx-size {}: the model was trained for a context of {}; write at most that", context,
         trained);
  }
  generation.record_depths();
  generation.record_computed_share();
  if (options.draft_model != nullptr) {
    drafter.emplace(options.draft_model, *model, options.draft_max, &cancelled);
    generation.set_drafter(&*drafter);
  }
  if (options.library != nullptr) {
    snapshots.emplace(model, generation.cache_types(), options.library);
  }
}

const lazy::StepReport& Session::Implementation::run_step(lazy::StepRequest request) {
  request.cancel = &cancelled;
  try {
    return stepper.step(generation.sequence(), generation.policy(), request);
  } catch (...) {
    generation.abandon_step();
    throw;
  }
}

engine::PrefillQuestion Session::Implementation::question(
    std::span<const TokenId> tokens, std::span<const TokenRange> protected_ranges) const {
  const lazy::PruningPlan& plan = generation.plan();
  int64_t protected_tokens = plan.protect_first + plan.protect_last;
  for (const TokenRange& range : protected_ranges) protected_tokens += range.end - range.begin;
  return {*model, plan, tokens, protected_tokens, true, wanted};
}

void Session::Implementation::prefill(std::span<const TokenId> tokens,
                                      std::span<const TokenRange> protected_ranges,
                                      const GenerationCallbacks& callbacks, To to) {
  const int64_t held = generation.keep_common_prefix(tokens);
  const bool begins = snapshots && held == 0;
  const bool dense = begins && snapshots->choose(question(tokens, protected_ranges)).dense_instead;
  lazy::StepProgress progress;
  if (callbacks.on_progress) {
    progress = [&](int layer, int layers, double share) {
      callbacks.on_progress((layer + share) / layers, layer, layers);
    };
  }
  generation.begin_prompt(
      {tokens.subspan(static_cast<size_t>(held)), protected_ranges, dense, &cancelled, progress},
      stepper);
  if (begins) snapshots->begin(generation);
  lazy::StepRequest request = generation.prompt_step();
  request.progress = progress;
  if (begins) {
    request.observer = &*snapshots;
    if (to == To::the_first_pruning) request.stop_depth = snapshots->depth().value_or(-1);
  }
  try {
    generation.end_prompt(run_step(request));
  } catch (...) {
    if (begins) snapshots->abandon();
    throw;
  }
  if (begins) snapshots->end();
}

bool Session::Implementation::read_ahead(std::span<const TokenId> tokens,
                                         const GenerationOptions& options,
                                         const GenerationCallbacks& callbacks) {
  check(tokens);
  if (!snapshots) snapshots.emplace(model, generation.cache_types(), nullptr);
  generation.truncate(0);
  // A policy that edits the prompt leaves nothing for another one.
  if (snapshot_wishes(question(tokens, options.protected_ranges)).empty()) return true;
  cancelled = false;
  bool done = true;
  try {
    prefill(tokens, options.protected_ranges, callbacks, To::the_first_pruning);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled) throw;
    done = false;
  }
  generation.truncate(0);
  return done;
}

GenerationResult Session::Implementation::generate(std::span<const TokenId> tokens,
                                                   const GenerationOptions& options,
                                                   const GenerationCallbacks& callbacks) {
  check(tokens);
  generation.begin_answer(options, nullptr, Clock::now());
  GenerationResult result;
  const auto show = [&](const std::string& text) {
    if (text.empty()) return;
    result.text += text;
    if (callbacks.on_text) callbacks.on_text(text);
  };

  cancelled = false;
  const engine::AnswerWriter& writer = generation.writer();
  try {
    prefill(tokens, options.protected_ranges, callbacks);
    while (!writer.finish_reason()) {
      const engine::AnswerWriter::Written written = generation.write();
      result.tokens.push_back(written.token);
      show(written.text);
      if (writer.finish_reason() || generation.size() >= context) break;
      generation.decode(written.token, stepper, {&step_cost, 0, context}, &cancelled);
    }
    result.finish_reason = writer.finish_reason().value_or(FinishReason::length);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled) throw;
    result.finish_reason = FinishReason::cancelled;
  }
  show(generation.writer().finish());

  generation.finish_statistics();
  return result;
}

void Session::Implementation::forced_logits(std::span<const TokenId> prompt,
                                            std::span<const TokenId> continuation,
                                            std::span<const TokenRange> protected_ranges,
                                            const lazy::LogitsSink& sink) {
  std::vector<TokenId> all(prompt.begin(), prompt.end());
  all.insert(all.end(), continuation.begin(), continuation.end());
  check(all);
  if (prompt.empty() || continuation.empty()) {
    fail(ErrorCode::invalid_input, "forced tokens want a prompt and a continuation");
  }
  cancelled = false;
  Clock::time_point start = Clock::now();
  prefill(prompt, protected_ranges, {});
  const double ttft_ms = milliseconds_since(start);
  double total_ms = ttft_ms;
  for (size_t i = 0; i < continuation.size(); ++i) {
    if (i > 0) {
      start = Clock::now();
      generation.decode(continuation[i - 1], stepper, {}, &cancelled);
      total_ms += milliseconds_since(start);
    }
    generation.count_token();
    sink(static_cast<int64_t>(i), generation.logits());
  }
  generation.set_times(ttft_ms, total_ms);
  generation.finish_statistics();
}

void Session::Implementation::logits(std::span<const TokenId> tokens,
                                     std::span<const int32_t> positions,
                                     const lazy::LogitsSink& sink) {
  check(tokens);
  for (size_t i = 0; i < positions.size(); ++i) {
    const bool rising = i == 0 || positions[i - 1] < positions[i];
    if (positions[i] < 0 || positions[i] >= std::ssize(tokens) || !rising) {
      fail(ErrorCode::invalid_input, "logit positions must rise and lie in 0 to {}",
           tokens.size() - 1);
    }
  }
  cancelled = false;
  generation.truncate(0);
  generation.begin_prompt({tokens, {}, true, &cancelled, {}}, stepper);
  lazy::StepRequest request = generation.prompt_step();
  request.logit_positions = positions;
  request.logits = sink;
  generation.end_prompt(run_step(request));
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

bool Session::read_ahead(std::span<const TokenId> tokens, const GenerationOptions& options,
                         const GenerationCallbacks& callbacks) {
  return implementation_->read_ahead(tokens, options, callbacks);
}

void Session::logits(std::span<const TokenId> tokens, std::span<const int32_t> positions,
                     const std::function<void(int64_t, std::span<const float>)>& sink) {
  implementation_->logits(tokens, positions, sink);
}

void Session::forced_logits(std::span<const TokenId> prompt, std::span<const TokenId> continuation,
                            const std::function<void(int64_t, std::span<const float>)>& sink,
                            std::span<const TokenRange> protected_ranges) {
  implementation_->forced_logits(prompt, continuation, protected_ranges, sink);
}

double Session::log_likelihood(std::span<const TokenId> prompt,
                               std::span<const TokenId> continuation,
                               std::span<const TokenRange> protected_ranges) {
  double sum = 0.0;
  const auto add = [&](int64_t index, std::span<const float> logits) {
    const TokenId token = continuation[static_cast<size_t>(index)];
    sum += log_softmax(logits, static_cast<size_t>(token));
  };
  forced_logits(prompt, continuation, add, protected_ranges);
  return sum / static_cast<double>(continuation.size());
}

void Session::cancel() noexcept {
  implementation_->cancelled = true;
}
void Session::reset() {
  implementation_->generation.truncate(0);
}
void Session::truncate(int64_t size) {
  implementation_->generation.truncate(std::max<int64_t>(size, 0));
}
int64_t Session::size() const {
  return implementation_->generation.size();
}
int64_t Session::context() const {
  return implementation_->context;
}
const Statistics& Session::statistics() const {
  return implementation_->generation.statistics();
}
const TokenReport& Session::token_report() const {
  return implementation_->generation.token_report();
}

}  // namespace lazyllm
