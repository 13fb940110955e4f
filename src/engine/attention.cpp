// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/research/attention.h"

#include "base/error.h"
#include "engine/model_implementation.h"
#include "engine/prompt_check.h"
#include "lazy/policy.h"
#include "lazy/step.h"

namespace lazyllm {
namespace {

/// Prunes nothing and hands the scores of every layer on.
class AttentionProbe final : public lazy::Policy {
 public:
  explicit AttentionProbe(const AttentionSink& sink) : sink_(sink) {}
  std::string_view name() const override { return "probe"; }
  bool observes(int, lazy::StepKind) const override { return true; }
  void combine(int layer, std::span<const int32_t>, std::span<float> scores) override {
    sink_(layer, scores);
  }

 private:
  const AttentionSink& sink_;
};

/// Hands on what the last `answer + 1` tokens look at in the prompt before them.
class AnswerProbe final : public lazy::Policy {
 public:
  AnswerProbe(const lazy::Stepper& stepper, size_t prompt, size_t answer, int pool,
              const AnswerAttentionSink& sink)
      : stepper_(stepper), prompt_(prompt), pool_(pool), sink_(sink) {
    score_.window = static_cast<int>(answer) + 1;
  }
  std::string_view name() const override { return "probe"; }
  bool observes(int, lazy::StepKind) const override { return true; }
  const lazy::ImportanceScore& score() const override { return score_; }
  void combine(int layer, std::span<const int32_t> set, std::span<float> scores) override {
    const std::vector<float> last = stepper_.query_attention(layer - 1, 0);
    const size_t heads = last.size() / set.size();
    seen_.clear();
    for (size_t head = 0; head < heads; ++head) {
      const auto row = last.begin() + static_cast<std::ptrdiff_t>(head * set.size());
      seen_.insert(seen_.end(), row, row + static_cast<std::ptrdiff_t>(prompt_));
      lazy::pool_scores(std::span(seen_).last(prompt_), pool_, pool_sums_);
    }
    sink_({layer, seen_, scores.first(prompt_)});
  }

 private:
  const lazy::Stepper& stepper_;
  size_t prompt_;
  int pool_;
  const AnswerAttentionSink& sink_;
  lazy::ImportanceScore score_;
  std::vector<float> seen_;
  std::vector<double> pool_sums_;
};

}  // namespace

void last_token_attention(const Model& model, std::span<const TokenId> tokens,
                          const AttentionSink& sink) {
  const model::Transformer& transformer = model.implementation().require_transformer();
  engine::check_prompt(tokens, transformer.hyperparameters().context_length,
                       transformer.hyperparameters());
  AttentionProbe probe(sink);
  lazy::Stepper stepper(transformer);
  lazy::Sequence sequence(transformer, {});
  lazy::StepRequest request;
  request.new_tokens = tokens;
  stepper.step(sequence, probe, request);
}

void answer_attention(const Model& model, std::span<const TokenId> prompt,
                      std::span<const TokenId> answer, int pool, const AnswerAttentionSink& sink) {
  const model::Transformer& transformer = model.implementation().require_transformer();
  if (prompt.empty()) fail(ErrorCode::invalid_input, "the prompt is empty; write some text");
  std::vector<TokenId> tokens(prompt.begin(), prompt.end());
  tokens.insert(tokens.end(), answer.begin(), answer.end());
  engine::check_prompt(tokens, transformer.hyperparameters().context_length,
                       transformer.hyperparameters());
  lazy::Stepper stepper(transformer);
  AnswerProbe probe(stepper, prompt.size(), answer.size(), pool, sink);
  lazy::Sequence sequence(transformer, {});
  lazy::StepRequest request;
  request.new_tokens = tokens;
  stepper.step(sequence, probe, request);
}

}  // namespace lazyllm
