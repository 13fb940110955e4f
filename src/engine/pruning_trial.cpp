// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/research/pruning_trial.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "engine/generation.h"
#include "lazy/step.h"

namespace lazyllm {

using engine::Generation;

/// Drives Generations by forced tokens: the trunk, which is dense, and one for each trial, which
/// begins with what the trunk had at its first cut.
struct PruningTrial::Implementation final : lazy::StepObserver {
  Implementation(std::shared_ptr<const Model> owner, const SessionOptions& session,
                 std::vector<TokenId> prompt_tokens, std::vector<TokenId> answer_tokens,
                 std::span<const int> kept_depths, std::vector<TokenRange> ranges)
      : model(std::move(owner)),
        transformer(model->implementation().require_transformer()),
        stepper(transformer),
        cache_types{static_cast<kernels::CacheType>(session.cache_type_k),
                    static_cast<kernels::CacheType>(session.cache_type_v)},
        prompt(std::move(prompt_tokens)),
        answer(std::move(answer_tokens)),
        protected_ranges(std::move(ranges)),
        trunk(model, dense_plan(), cache_types) {
    for (const int depth : kept_depths) {
      rows.try_emplace(depth, transformer.at(depth - 1).backend(),
                       transformer.hyperparameters().hidden_size);
    }
  }

  lazy::PruningPlan dense_plan() const {
    PruningOptions options;
    options.policy = "dense";
    return lazy::resolve(options, transformer.hyperparameters());
  }

  /// Keeps the dense run's rows; the sequence overwrites its own.
  void on_computed(int depth) override {
    const auto found = rows.find(depth);
    if (found == rows.end()) return;
    const lazy::Sequence& sequence = trunk.sequence();
    for (int64_t token = 0; token < sequence.size(); ++token) {
      copy_row(sequence, depth, token, found->second);
    }
  }

  void copy_row(const lazy::Sequence& from, int depth, int64_t token, lazy::HiddenRows& to) const {
    const int64_t size = transformer.hyperparameters().hidden_size;
    const float* const row[] = {from.hidden(depth).row(token)};
    transformer.at(depth - 1).backend().gather(row, {to.acquire(token), 1, size, size});
  }

  /// Puts the first `count` tokens of the trunk into an empty sequence, as they stood at `depth`.
  void restore(int depth, int64_t count, lazy::Sequence& sequence) const {
    sequence.append(std::span(prompt).first(static_cast<size_t>(count)));
    for (int layer = 0; layer < depth; ++layer) {
      sequence.kv(layer).share_prefix(trunk.sequence().kv(layer), count);
    }
    sequence.hidden(depth).share_prefix(rows.at(depth), count);
    for (int64_t token = 0; token < count; ++token) sequence.place(token, depth);
  }

  void begin(Generation& generation) {
    generation.begin_prompt({prompt, protected_ranges, false, nullptr, {}}, stepper);
  }

  /// The prompt's step from where the sequence stands.
  void prefill(Generation& generation, lazy::StepObserver* observer, Outcome& outcome) {
    lazy::StepRequest request = generation.prompt_step();
    request.observer = observer;
    generation.end_prompt(stepper.step(generation.sequence(), generation.policy(), request));
    const Statistics& statistics = generation.statistics();
    outcome.kept_per_layer = statistics.kept_per_layer;
    outcome.linear_ms = statistics.linear_ms;
    outcome.attention_ms = statistics.attention_ms;
    outcome.head_ms = statistics.head_ms;
  }

  /// Logits from behind the prompt on, behind each token that `next` gives; -1 ends it. What is
  /// written stays with a copy.
  std::vector<std::vector<float>> follow(
      const Generation& from,
      const std::function<TokenId(const std::vector<std::vector<float>>& so_far)>& next) {
    Generation generation(from);
    const auto last = [&] {
      return std::vector<float>(generation.logits().begin(), generation.logits().end());
    };
    std::vector<std::vector<float>> logits = {last()};
    for (TokenId token = next(logits); token >= 0; token = next(logits)) {
      generation.decode(token, stepper);
      logits.push_back(last());
    }
    return logits;
  }

  /// Behind each but the last of `tokens`.
  std::vector<std::vector<float>> forced(const Generation& from,
                                         const std::vector<TokenId>& tokens) {
    return follow(from, [&](const auto& logits) -> TokenId {
      return logits.size() < tokens.size() ? tokens[logits.size() - 1] : -1;
    });
  }

  /// Writes the dense model's own answer down.
  std::vector<std::vector<float>> greedy(int64_t most) {
    return follow(trunk, [&](const auto& logits) -> TokenId {
      const std::vector<float>& row = logits.back();
      own.push_back(static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin()));
      const bool ends = std::ssize(own) >= most || model->is_end_of_generation(own.back());
      return ends ? -1 : own.back();
    });
  }

  std::shared_ptr<const Model> model;
  const model::Transformer& transformer;
  lazy::Stepper stepper;
  lazy::CacheTypes cache_types;
  std::vector<TokenId> prompt, answer;
  std::vector<TokenRange> protected_ranges;
  std::vector<TokenId> own;              // the dense model's answer
  Generation trunk;                      // the dense run, all layers
  std::map<int, lazy::HiddenRows> rows;  // by depth, of the prompt
  Outcome dense;
};

PruningTrial::PruningTrial(std::shared_ptr<const Model> model, const SessionOptions& session,
                           std::vector<TokenId> prompt, std::vector<TokenId> answer,
                           std::span<const int> depths, int64_t own_tokens,
                           std::vector<TokenRange> protected_ranges)
    : implementation_(std::make_unique<Implementation>(std::move(model), session, std::move(prompt),
                                                       std::move(answer), depths,
                                                       std::move(protected_ranges))) {
  Implementation& own = *implementation_;
  const int64_t room = own.transformer.hyperparameters().context_length;
  const auto used = std::ssize(own.prompt) + std::ssize(own.answer);
  if (own.prompt.empty() || own.answer.empty() || used > room) {
    fail(ErrorCode::invalid_input,
         "a trial wants a prompt and an answer, both together at most {} tokens; these are {} and "
         "{}",
         room, own.prompt.size(), own.answer.size());
  }
  own.begin(own.trunk);
  own.prefill(own.trunk, &own, own.dense);
  own.dense.logits = own.forced(own.trunk, own.answer);
  own.dense.own_logits = own.greedy(std::min(own_tokens, room - std::ssize(own.prompt)));
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
  lazy::PruningPlan plan = lazy::resolve(options, own.transformer.hyperparameters());
  if (plan.attention.sparse) {
    fail(ErrorCode::usage, "attention {}: a trial starts from a dense run; leave it out",
         plan.attention.to_string());
  }
  // What these policies compute before their first cut is the dense run's.
  LAZYLLM_CHECK(plan.policy_name == "lazy" || plan.policy_name == "tsp" ||
                plan.policy_name == "static");
  plan.min_prompt = 0;  // a trial prunes, however short its prompt
  const int depth = plan.schedule.front().layer;
  Generation generation(own.model, std::move(plan), own.cache_types);
  own.begin(generation);
  const int64_t count = std::ssize(own.prompt) - generation.scoring_tokens();
  if (own.rows.contains(depth) && count > 0) {
    own.restore(depth, count, generation.sequence());
    generation.restored();
  }
  Outcome outcome;
  own.prefill(generation, nullptr, outcome);
  outcome.logits = own.forced(generation, own.answer);
  outcome.own_logits = own.forced(generation, own.own);
  return outcome;
}

}  // namespace lazyllm
