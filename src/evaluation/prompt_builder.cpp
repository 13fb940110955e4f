// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/prompt_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace lazyllm::evaluation {
namespace {

constexpr int64_t kTemplateTokens = 128;  // room for what a chat template adds to a cut prompt

}  // namespace

PromptBuilder::PromptBuilder(std::shared_ptr<const Model> model, bool no_chat, int64_t max_length)
    : model_(std::move(model)),
      no_chat_(no_chat || !model_->has_chat_template()),
      max_length_(max_length),
      context_(model_->info().context_length) {}

ChatPrompt PromptBuilder::compose(const std::string& prompt, const std::string& answer_prefix,
                                  bool in_chat_template) const {
  if (no_chat_ || !in_chat_template) return {model_->tokenize(prompt + answer_prefix), {}};
  const ChatMessage message[] = {{"user", prompt}};
  ChatPrompt chat = model_->chat_prompt(message);
  if (!answer_prefix.empty()) {
    const auto begun = model_->tokenize(answer_prefix, /*add_special=*/false);
    chat.tokens.insert(chat.tokens.end(), begun.begin(), begun.end());
  }
  return chat;
}

std::string PromptBuilder::cut(const Task& task, const std::string& prompt) const {
  const int64_t room = context_ - task.max_tokens - kTemplateTokens;
  if (room < 2) {
    throw Error(ErrorCode::usage,
                fmt::format("task {}: answers of {} tokens leave no room for a prompt in the "
                            "model's context of {}; leave the task out with --tasks",
                            task.name, task.max_tokens, context_));
  }
  const int64_t most = max_length_ > 0 ? std::min(max_length_, room) : room;
  if (most < 2) {
    throw Error(ErrorCode::usage,
                fmt::format("--max-length {}: nothing would be left of a prompt", max_length_));
  }
  const std::vector<TokenId> tokens = model_->tokenize(prompt);
  if (static_cast<int64_t>(tokens.size()) <= most) return prompt;
  const auto half = static_cast<size_t>(most / 2);
  return model_->detokenize(std::span(tokens).first(half)) +
         model_->detokenize(std::span(tokens).last(half));
}

ChatPrompt PromptBuilder::prompt(const Task& task, const Record& record) const {
  ChatPrompt prompt = compose(task.cut_middle ? cut(task, record.prompt) : record.prompt,
                              record.answer_prefix, task.in_chat_template);
  if (std::ssize(prompt.tokens) + task.max_tokens > context_) {
    throw Error(ErrorCode::context_full,
                fmt::format("{}: the prompt's {} tokens and {} of an answer do not fit into the "
                            "model's context of {}; take shorter records or a smaller length",
                            record.where, prompt.tokens.size(), task.max_tokens, context_));
  }
  return prompt;
}

std::vector<TokenId> PromptBuilder::answer(const Task& task, const Record& record) const {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
  const bool bare = no_chat_ || !task.in_chat_template;
  std::string text = record.gold;
  const bool continues = bare && record.answer_prefix.empty() && !record.prompt.empty() &&
                         !is_space(record.prompt.back());
  if (continues && !text.empty() && !is_space(text.front())) text = " " + text;
  return model_->tokenize(text, /*add_special=*/false);
}

void PromptBuilder::check_length(const char* flag, int64_t length) const {
  if (length <= context_) return;
  throw Error(ErrorCode::usage,
              fmt::format("{} {}: the model's context holds {} tokens", flag, length, context_));
}

TokenCounter PromptBuilder::counter() const {
  return [this](const std::string& prompt, const std::string& answer_prefix) {
    return std::ssize(compose(prompt, answer_prefix, true).tokens);
  };
}

}  // namespace lazyllm::evaluation
