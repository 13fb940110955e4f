// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "engine/model_implementation.h"

namespace lazyllm {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kProtectedSystemTokens = 1024;

ordered_json parse(const std::string& text, const char* what) {
  ordered_json json = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) fail(ErrorCode::invalid_input, "{} of the chat: not valid JSON", what);
  return json;
}

/// Templates walk through the arguments, so they get them as an object, as in transformers.
ordered_json to_json(const ToolCall& call) {
  ordered_json arguments = ordered_json::parse(call.arguments, nullptr, false);
  if (!arguments.is_object()) arguments = call.arguments;
  ordered_json json = {{"type", "function"},
                       {"function", {{"name", call.name}, {"arguments", std::move(arguments)}}}};
  if (!call.id.empty()) json["id"] = call.id;
  return json;
}

ordered_json to_json(std::span<const ChatMessage> messages) {
  auto array = ordered_json::array();
  for (const ChatMessage& message : messages) {
    ordered_json json = {{"role", message.role}, {"content", message.content}};
    for (const ToolCall& call : message.tool_calls) json["tool_calls"].push_back(to_json(call));
    if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
    if (!message.name.empty()) json["name"] = message.name;
    array.push_back(std::move(json));
  }
  return array;
}

std::string spelling(const text::Tokenizer& tokenizer, text::TokenId token) {
  return token == text::kNoToken ? std::string() : tokenizer.piece(token, /*special=*/true);
}

std::vector<text::TextSegment> render(const Model::Implementation& implementation,
                                      std::span<const ChatMessage> messages,
                                      const ChatOptions& chat) {
  const text::Tokenizer& tokenizer = implementation.require_tokenizer();
  text::ChatTemplateOptions options;
  options.add_generation_prompt = chat.add_generation_prompt;
  options.bos_token = spelling(tokenizer, tokenizer.vocabulary().bos);
  options.eos_token = spelling(tokenizer, tokenizer.vocabulary().eos);
  if (!chat.variables.empty()) options.extra = parse(chat.variables, "the template variables");
  if (!chat.tools.empty()) options.extra["tools"] = parse(chat.tools, "the tools");
  return implementation.require_chat_template().render(to_json(messages), options);
}

bool is_system(const ChatMessage& message) {
  return message.role == "system" || message.role == "developer";
}

/// Decides about the tokens of a rendered conversation one after the other.
class Protection {
 public:
  Protection(std::span<const text::TextSegment> segments, std::span<const ChatMessage> messages)
      : segments_(segments), messages_(messages), system_tokens_(messages.size(), 0) {}

  /// `end`: bytes of the conversation before the token's end.
  bool covers_next(size_t end) {
    bool covered = at_ >= end;  // no bytes of its own: a BOS that the tokenizer added
    while (at_ < end && segment_ < segments_.size()) {
      const text::TextSegment& segment = segments_[segment_];
      covered = covers(segment, end) || covered;
      const size_t segment_end = segment_begin_ + segment.text.size();
      at_ = std::min(end, segment_end);
      if (segment_end > end) break;
      segment_begin_ = segment_end;
      ++segment_;
    }
    return covered;
  }

 private:
  bool covers(const text::TextSegment& segment, size_t end) {
    if (segment.text.empty()) return false;
    if (segment.from_template || segment.is_role) return true;
    // Descriptions of tools and other variables stand where the system speaks.
    if (segment.message == text::TextSegment::kNoMessage) return count(other_tokens_, end);
    const auto index = static_cast<size_t>(segment.message);
    const ChatMessage& message = messages_[index];
    if (message.role == "tool" || message.role == "function") return true;
    if (!message.tool_calls.empty()) return true;
    return is_system(message) && count(system_tokens_[index], end);
  }

  /// A token counts once, though it may reach over several segments.
  bool count(int64_t& tokens, size_t end) {
    if (last_counted_ != end) ++tokens;
    last_counted_ = end;
    return tokens <= kProtectedSystemTokens;
  }

  std::span<const text::TextSegment> segments_;
  std::span<const ChatMessage> messages_;
  std::vector<int64_t> system_tokens_;  // seen so far of each message
  int64_t other_tokens_ = 0;
  size_t at_ = 0, segment_ = 0, segment_begin_ = 0;
  size_t last_counted_ = 0;
};

}  // namespace

bool Model::has_chat_template() const {
  return implementation_->chat_template.has_value() && has_tokenizer();
}

const std::string& Model::chat_template() const {
  return implementation_->chat_template_source;
}

std::vector<TokenId> Model::apply_chat_template(std::span<const ChatMessage> messages,
                                                const ChatOptions& options) const {
  const auto segments = render(*implementation_, messages, options);
  return implementation_->require_tokenizer().encode(segments, /*add_special=*/true);
}

std::string Model::render_chat_template(std::span<const ChatMessage> messages,
                                        const ChatOptions& options) const {
  return text::concatenate(render(*implementation_, messages, options));
}

ChatPrompt Model::chat_prompt(std::span<const ChatMessage> messages,
                              const ChatOptions& options) const {
  const auto segments = render(*implementation_, messages, options);
  std::vector<size_t> ends;
  ChatPrompt prompt;
  prompt.tokens =
      implementation_->require_tokenizer().encode(segments, /*add_special=*/true, &ends);
  Protection protection(segments, messages);
  for (size_t i = 0; i < ends.size(); ++i) {
    if (!protection.covers_next(ends[i])) continue;
    const auto token = static_cast<int64_t>(i);
    if (prompt.protected_ranges.empty() || prompt.protected_ranges.back().end != token) {
      prompt.protected_ranges.push_back({token, token});
    }
    prompt.protected_ranges.back().end = token + 1;
  }
  return prompt;
}

}  // namespace lazyllm
