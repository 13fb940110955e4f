// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/pruning_trial.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "engine/model_implementation.h"
#include "engine/step_statistics.h"
#include "lazy/policy.h"
#include "lazy/step.h"

namespace lazyllm {

struct PruningTrial::Implementation final : lazy::StepObserver {
  Implementation(std::shared_ptr<const Model> owner, const SessionOptions& session,
                 std::vector<TokenId> prompt_tokens, std::vector<TokenId> continuation_tokens,
                 std::span<const int> kept_depths)
      : model(std::move(owner)),
        transformer(model->implementation().require_transformer()),
        stepper(transformer),
        cache_types{static_cast<kernels::CacheType>(session.cache_type_k),
                    static_cast<kernels::CacheType>(session.cache_type_v)},
        prompt(std::move(prompt_tokens)),
        continuation(std::move(continuation_tokens)),
        trunk(transformer, cache_types) {
    for (const int depth : kept_depths) {
      rows.try_emplace(depth, transformer.backend(), transformer.hyperparameters().hidden_size);
    }
  }

  /// Keeps the dense run's rows; the sequence overwrites its own.
  void on_computed(int depth) override {
    const auto found = rows.find(depth);
    if (found == rows.end() || trunk.size() != std::ssize(prompt)) return;
    for (int64_t token = 0; token < trunk.size(); ++token) copy_row(trunk, token, found->second);
  }

  void copy_row(const lazy::Sequence& from, int64_t token, lazy::HiddenRows& to) const {
    const int64_t size = transformer.hyperparameters().hidden_size;
    const float* const row[] = {from.hidden().row(token)};
    transformer.backend().gather(row, {to.acquire(token), 1, size, size});
  }

  /// Puts the first `count` tokens of the trunk into an empty sequence, as they stood at `depth`.
  void restore(int depth, int64_t count, lazy::Sequence& sequence) const {
    sequence.append(std::span(prompt).first(static_cast<size_t>(count)));
    for (int layer = 0; layer < depth; ++layer) {
      sequence.kv(layer).share_prefix(trunk.kv(layer), count);
    }
    sequence.hidden().share_prefix(rows.at(depth), count);
    for (int64_t token = 0; token < count; ++token) sequence.place(token, depth);
  }

  /// The prompt's step from where the sequence stands, then the continuation token by token.
  Outcome answer(lazy::Sequence& sequence, lazy::Policy& policy, const lazy::PruningPlan& plan,
                 lazy::StepObserver* observer) {
    Outcome outcome;
    lazy::StepRequest request;
    request.observer = observer;
    request.protect_first = plan.protect_first;
    request.tail_end = std::ssize(prompt);
    request.tail_begin = std::max<int64_t>(0, request.tail_end - plan.protect_last);
    request.revive_budget = plan.revive_budget;
    request.logits = [&](int64_t, std::span<const float> values) {
      outcome.logits.emplace_back(values.begin(), values.end());
    };
    request.new_tokens = std::span(prompt).subspan(static_cast<size_t>(sequence.size()));
    request.first_query = 0;
    Statistics statistics;
    engine::add_prompt_step(stepper.step(sequence, policy, request), statistics);
    outcome.kept_per_layer = statistics.kept_per_layer;
    outcome.linear_ms = statistics.linear_ms;
    outcome.attention_ms = statistics.attention_ms;
    outcome.head_ms = statistics.head_ms;
    request.kind = lazy::StepKind::decode;
    request.first_query = -1;
    for (size_t i = 0; i + 1 < continuation.size(); ++i) {
      request.new_tokens = std::span(continuation).subspan(i, 1);
      stepper.step(sequence, policy, request);
    }
    return outcome;
  }

  std::shared_ptr<const Model> model;
  const model::Transformer& transformer;
  lazy::Stepper stepper;
  lazy::CacheTypes cache_types;
  std::vector<TokenId> prompt, continuation;
  lazy::Sequence trunk;                  // the dense run, all layers
  std::map<int, lazy::HiddenRows> rows;  // by depth, of the prompt
  Outcome dense;
};

PruningTrial::PruningTrial(std::shared_ptr<const Model> model, const SessionOptions& session,
                           std::vector<TokenId> prompt, std::vector<TokenId> continuation,
                           std::span<const int> depths)
    : implementation_(std::make_unique<Implementation>(std::move(model), session, std::move(prompt),
                                                       std::move(continuation), depths)) {
  Implementation& own = *implementation_;
  const model::Hyperparameters& h = own.transformer.hyperparameters();
  const auto total = std::ssize(own.prompt) + std::ssize(own.continuation);
  if (own.prompt.empty() || own.continuation.empty() || total > h.context_length) {
    fail(ErrorCode::invalid_input,
         "a trial wants a prompt and a continuation, both together at most {} tokens; these are "
         "{} and {}",
         h.context_length, own.prompt.size(), own.continuation.size());
  }
  const std::unique_ptr<lazy::Policy> dense = lazy::make_dense_policy();
  own.dense = own.answer(own.trunk, *dense, {}, &own);
}

PruningTrial::~PruningTrial() = default;

const PruningTrial::Outcome& PruningTrial::dense() const {
  return implementation_->dense;
}

PruningTrial::Outcome PruningTrial::run(const PruningOptions& options) {
  Implementation& own = *implementation_;
  const lazy::PruningPlan plan = lazy::resolve(options, own.transformer.hyperparameters());
  LAZYLLM_CHECK(plan.policy_name == "lazy");
  const std::unique_ptr<lazy::Policy> policy = lazy::create_policy(plan);
  lazy::Sequence sequence(own.transformer, own.cache_types);
  // The queries of the last tokens make the score, so these are computed anew.
  const int64_t count = std::ssize(own.prompt) - std::max(1, plan.score.window);
  const int depth = plan.schedule.front().layer;
  if (own.rows.contains(depth) && count > 0) own.restore(depth, count, sequence);
  return own.answer(sequence, *policy, plan, nullptr);
}

}  // namespace lazyllm
