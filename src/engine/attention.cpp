// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/attention.h"

#include "base/error.h"
#include "engine/model_implementation.h"
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

}  // namespace

void last_token_attention(const Model& model, std::span<const TokenId> tokens,
                          const AttentionSink& sink) {
  const model::Transformer& transformer = model.implementation().require_transformer();
  const model::Hyperparameters& h = transformer.hyperparameters();
  if (tokens.empty()) fail(ErrorCode::invalid_input, "the prompt is empty; give some text");
  if (std::ssize(tokens) > h.context_length) {
    fail(ErrorCode::context_full, "the prompt has {} tokens but the context holds {}; shorten it",
         tokens.size(), h.context_length);
  }
  for (const TokenId token : tokens) {
    if (token < 0 || token >= h.vocabulary_size) {
      fail(ErrorCode::invalid_input, "token id {} is out of range; the model has ids 0 to {}",
           token, h.vocabulary_size - 1);
    }
  }
  AttentionProbe probe(sink);
  lazy::Stepper stepper(transformer);
  lazy::Sequence sequence(transformer, {});
  lazy::StepRequest request;
  request.new_tokens = tokens;
  stepper.step(sequence, probe, request);
}

}  // namespace lazyllm
