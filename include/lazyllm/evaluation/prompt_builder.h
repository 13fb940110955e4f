// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lazyllm/evaluation/task.h"
#include "lazyllm/lazyllm.h"

namespace lazyllm::evaluation {

/// Turns questions into what the model gets, as Model::chat_prompt() makes it for every program.
class PromptBuilder {
 public:
  /// `max_length`: most tokens of the prompts that may be cut; 0: as many as the context holds.
  PromptBuilder(std::shared_ptr<const Model> model, bool no_chat, int64_t max_length);

  /// Cut in the middle if the task is so: on tokens, joined as text and tokenised anew, as
  /// LongBench does it. Errors: Error(context_full) with the record's place if prompt and answer do
  /// not fit into the model's context; Error(usage) if the answers leave no room for any prompt.
  ChatPrompt prompt(const Task& task, const Record& record) const;

  /// The record's right answer as it would go on behind these tokens: a prompt that stands outside
  /// of a chat template and ends in a word or a colon goes on with a space.
  std::vector<TokenId> answer(const Task& task, const Record& record) const;

  /// Errors: Error(usage) with the flag for a prompt length beyond the model's context.
  void check_length(const char* flag, int64_t length) const;

  /// Counts with the chat template.
  TokenCounter counter() const;

 private:
  ChatPrompt compose(const std::string& prompt, const std::string& answer_prefix,
                     bool in_chat_template) const;
  std::string cut(const Task& task, const std::string& prompt) const;

  std::shared_ptr<const Model> model_;
  bool no_chat_;
  int64_t max_length_, context_;
};

}  // namespace lazyllm::evaluation
