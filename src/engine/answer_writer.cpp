// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_writer.h"

namespace lazyllm::engine {

AnswerWriter::AnswerWriter(const text::Tokenizer* tokenizer, const GenerationOptions& options,
                           std::shared_ptr<TokenConstraint> constraint)
    : tokenizer_(tokenizer),
      options_(options),
      constraint_(std::move(constraint)),
      sampler_(options.sampling),
      stops_(options.stop) {
  if (tokenizer != nullptr) detokenizer_.emplace(*tokenizer);
  if (options.max_tokens == 0) finish_reason_ = FinishReason::length;
}

AnswerWriter::Written AnswerWriter::write(std::span<float> logits,
                                          std::span<const TokenId> conversation) {
  if (constraint_) constraint_->restrict(logits);
  Written written;
  written.token = sampler_.sample(logits, conversation);
  ++tokens_written_;
  if (constraint_) constraint_->accept(written.token);
  if (tokenizer_ != nullptr && !options_.ignore_eos &&
      tokenizer_->is_end_of_generation(written.token)) {
    finish_reason_ = FinishReason::stop;
    return written;
  }
  if (detokenizer_) written.text = stops_.push(detokenizer_->push(written.token));
  if (stops_.hit()) {
    finish_reason_ = FinishReason::stop;
  } else if (tokens_written_ == options_.max_tokens) {
    finish_reason_ = FinishReason::length;
  }
  return written;
}

std::string AnswerWriter::finish() {
  std::string text;
  if (detokenizer_ && !stops_.hit()) text = stops_.push(detokenizer_->finish());
  return text + stops_.finish();
}

}  // namespace lazyllm::engine
