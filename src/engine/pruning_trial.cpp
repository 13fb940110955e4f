// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/pruning_trial.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "engine/model_implementation.h"
#include "engine/step_statistics.h"
#include "lazy/policy.h"
#include "lazy/step.h"

namespace lazyllm {

struct PruningTrial::Implementation final : lazy::StepObserver {
  Implementation(std::shared_ptr<const Model> owner, const SessionOptions& session,
                 std::vector<TokenId> prompt_tokens, std::vector<TokenId> answer_tokens,
                 std::span<const int> kept_depths)
      : model(std::move(owner)),
        transformer(model->implementation().require_transformer()),
        stepper(transformer),
        cache_types{static_cast<kernels::CacheType>(session.cache_type_k),
                    static_cast<kernels::CacheType>(session.cache_type_v)},
        prompt(std::move(prompt_tokens)),
        answer(std::move(answer_tokens)),
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

  lazy::StepRequest request_for(const lazy::PruningPlan& plan) const {
    lazy::StepRequest request;
    request.protect_first = plan.protect_first;
    request.tail_end = std::ssize(prompt);
    request.tail_begin = std::max<int64_t>(0, request.tail_end - plan.protect_last);
    request.revive_budget = plan.revive_budget;
    return request;
  }

  /// The prompt's step from where the sequence stands; returns the logits behind it.
  std::vector<float> prefill(lazy::Sequence& sequence, lazy::Policy& policy,
                             lazy::StepRequest request, Outcome& outcome) {
    std::vector<float> last;
    request.logits = [&](int64_t, std::span<const float> values) {
      last.assign(values.begin(), values.end());
    };
    request.new_tokens = std::span(prompt).subspan(static_cast<size_t>(sequence.size()));
    request.first_query = 0;
    Statistics statistics;
    engine::add_prompt_step(stepper.step(sequence, policy, request), statistics);
    outcome.kept_per_layer = statistics.kept_per_layer;
    outcome.linear_ms = statistics.linear_ms;
    outcome.attention_ms = statistics.attention_ms;
    outcome.head_ms = statistics.head_ms;
    return last;
  }

  /// From behind the prompt, token by token: `logits` has those of the prompt's last token and gets
  /// those behind each token that `next` gives; -1 ends it.
  void decode(lazy::Sequence sequence, lazy::Policy& policy, lazy::StepRequest request,
              std::vector<std::vector<float>>& logits, const std::function<TokenId()>& next) {
    request.kind = lazy::StepKind::decode;
    request.first_query = -1;
    request.logits = [&](int64_t, std::span<const float> values) {
      logits.emplace_back(values.begin(), values.end());
    };
    for (TokenId token = next(); token >= 0; token = next()) {
      request.new_tokens = std::span(&token, 1);
      stepper.step(sequence, policy, request);
    }
  }

  /// Behind each but the last of `tokens`.
  std::vector<std::vector<float>> forced(const lazy::Sequence& sequence, lazy::Policy& policy,
                                         const lazy::StepRequest& request,
                                         const std::vector<float>& last,
                                         const std::vector<TokenId>& tokens) {
    std::vector<std::vector<float>> logits = {last};
    decode(sequence, policy, request, logits, [&]() -> TokenId {
      return logits.size() < tokens.size() ? tokens[logits.size() - 1] : -1;
    });
    return logits;
  }

  /// Writes the dense model's own answer down.
  std::vector<std::vector<float>> greedy(const std::vector<float>& last, int64_t most,
                                         lazy::Policy& policy) {
    std::vector<std::vector<float>> logits = {last};
    decode(trunk, policy, request_for({}), logits, [&]() -> TokenId {
      const std::vector<float>& row = logits.back();
      own.push_back(static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin()));
      const bool ends = std::ssize(own) >= most || model->is_end_of_generation(own.back());
      return ends ? -1 : own.back();
    });
    return logits;
  }

  std::shared_ptr<const Model> model;
  const model::Transformer& transformer;
  lazy::Stepper stepper;
  lazy::CacheTypes cache_types;
  std::vector<TokenId> prompt, answer;
  std::vector<TokenId> own;              // the dense model's answer
  lazy::Sequence trunk;                  // the dense run, all layers
  std::map<int, lazy::HiddenRows> rows;  // by depth, of the prompt
  Outcome dense;
};

PruningTrial::PruningTrial(std::shared_ptr<const Model> model, const SessionOptions& session,
                           std::vector<TokenId> prompt, std::vector<TokenId> answer,
                           std::span<const int> depths, int64_t own_tokens)
    : implementation_(std::make_unique<Implementation>(std::move(model), session, std::move(prompt),
                                                       std::move(answer), depths)) {
  Implementation& own = *implementation_;
  const int64_t room = own.transformer.hyperparameters().context_length;
  const auto used = std::ssize(own.prompt) + std::ssize(own.answer);
  if (own.prompt.empty() || own.answer.empty() || used > room) {
    fail(ErrorCode::invalid_input,
         "a trial wants a prompt and an answer, both together at most {} tokens; these are {} and "
         "{}",
         room, own.prompt.size(), own.answer.size());
  }
  const std::unique_ptr<lazy::Policy> dense = lazy::make_dense_policy();
  lazy::StepRequest request = own.request_for({});
  request.observer = &own;
  const std::vector<float> last = own.prefill(own.trunk, *dense, request, own.dense);
  request.observer = nullptr;
  own.dense.logits = own.forced(own.trunk, *dense, request, last, own.answer);
  own.dense.own_logits =
      own.greedy(last, std::min(own_tokens, room - std::ssize(own.prompt)), *dense);
}

PruningTrial::~PruningTrial() = default;

const PruningTrial::Outcome& PruningTrial::dense() const {
  return implementation_->dense;
}

const std::vector<TokenId>& PruningTrial::own_answer() const {
  return implementation_->own;
}

PruningTrial::Outcome PruningTrial::run(const PruningOptions& options) {
  Implementation& own = *implementation_;
  const lazy::PruningPlan plan = lazy::resolve(options, own.transformer.hyperparameters());
  // What these policies compute before their first cut is the dense run's.
  LAZYLLM_CHECK(plan.policy_name == "lazy" || plan.policy_name == "tsp" ||
                plan.policy_name == "static");
  const std::unique_ptr<lazy::Policy> policy = lazy::create_policy(plan);
  lazy::Sequence sequence(own.transformer, own.cache_types);
  // The queries of the last tokens make the score, so these are computed anew.
  const int64_t count = std::ssize(own.prompt) - std::max(1, plan.score.window);
  const int depth = plan.schedule.front().layer;
  if (own.rows.contains(depth) && count > 0) own.restore(depth, count, sequence);
  const lazy::StepRequest request = own.request_for(plan);
  Outcome outcome;
  const std::vector<float> last = own.prefill(sequence, *policy, request, outcome);
  outcome.logits = own.forced(sequence, *policy, request, last, own.answer);
  outcome.own_logits = own.forced(sequence, *policy, request, last, own.own);
  return outcome;
}

}  // namespace lazyllm
