// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/stop_strings.h"
#include "lazyllm/scheduler.h"
#include "lazyllm/session.h"
#include "text/tokenizer.h"

namespace lazyllm::engine {

/// Makes an answer out of logits: chooses tokens, turns them into whole characters, and knows when
/// the answer is over: the model ends it, a stop string comes, or the limit is reached.
class AnswerWriter {
 public:
  /// `tokenizer` may be null: tokens only. Errors: Error(usage) for senseless sampling options.
  AnswerWriter(const text::Tokenizer* tokenizer, const GenerationOptions& options,
               std::shared_ptr<TokenConstraint> constraint = nullptr);

  struct Written {
    TokenId token = 0;
    std::string text;  ///< what became final with it
  };
  /// The next token. `conversation`: all tokens before it. The logits of tokens that the
  /// constraint forbids are changed.
  Written write(std::span<float> logits, std::span<const TokenId> conversation);
  const Sampler& sampler() const { return sampler_; }
  /// Text that was held back; once, when nothing more will be written.
  std::string finish();

  /// Set when the answer is over.
  std::optional<FinishReason> finish_reason() const { return finish_reason_; }
  int64_t tokens_written() const { return tokens_written_; }
  /// That may still be written; -1: no limit.
  int64_t tokens_left() const {
    return options_.max_tokens < 0 ? -1 : options_.max_tokens - tokens_written_;
  }

 private:
  const text::Tokenizer* tokenizer_;
  GenerationOptions options_;
  std::shared_ptr<TokenConstraint> constraint_;
  Sampler sampler_;
  StopStrings stops_;
  std::optional<text::StreamingDetokenizer> detokenizer_;
  int64_t tokens_written_ = 0;
  std::optional<FinishReason> finish_reason_;
};

}  // namespace lazyllm::engine
