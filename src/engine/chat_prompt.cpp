// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <ctime>
#include <numeric>

#include "base/error.h"
#include "engine/model_implementation.h"
#include "lazyllm/conversation.h"
#include "text/named_templates.h"
#include "text/plain_conversation.h"

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

bool mentions(std::string_view source, std::string_view word) {
  return source.find(word) != std::string_view::npos;
}

/// `source`: of the template. A role "developer" that it does not know is the system's.
ordered_json to_json(std::span<const ChatMessage> messages,
                     const std::vector<std::string>& reasoning, std::string_view source) {
  const bool knows_developer = mentions(source, "'developer'") || mentions(source, "\"developer\"");
  const char* const thought =
      mentions(source, "reasoning_content") ? "reasoning_content" : "thinking";
  auto array = ordered_json::array();
  for (const ChatMessage& message : messages) {
    const bool renamed = message.role == "developer" && !knows_developer;
    ordered_json json = {{"role", renamed ? "system" : message.role}, {"content", message.content}};
    for (const ToolCall& call : message.tool_calls) json["tool_calls"].push_back(to_json(call));
    if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
    if (!message.name.empty()) json["name"] = message.name;
    if (array.size() < reasoning.size() && !reasoning[array.size()].empty()) {
      json[thought] = reasoning[array.size()];
    }
    array.push_back(std::move(json));
  }
  return array;
}

std::string spelling(const text::Tokenizer& tokenizer, text::TokenId token) {
  return token == text::kNoToken ? std::string() : tokenizer.piece(token, /*special=*/true);
}

std::string time_text(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

/// What some templates ask for and llama-server gives them.
void add_time(std::string_view source, ordered_json& variables) {
  const auto add = [&](const char* name, const char* format) {
    if (mentions(source, name) && !variables.contains(name)) variables[name] = time_text(format);
  };
  add("date_string", "%d %b %Y");
  add("datetime", "%b %d %Y %H:%M:%S GMT");
}

/// Firefunction's templates want the tools as a text of this name.
void add_functions(std::string_view source, const ordered_json& tools, ordered_json& variables) {
  if (!mentions(source, "+ functions") || variables.contains("functions")) return;
  variables["functions"] = tools.empty() ? std::string() : tools.dump(4);
}

/// True if the template has a place for what the system says.
bool has_place_for_system(const text::ChatTemplate& chat_template,
                          const text::ChatTemplateOptions& options) {
  const std::string mark = "7340185";  // what no filter changes
  const ordered_json probe = {{{"role", "system"}, {"content", mark}},
                              {{"role", "user"}, {"content", "u"}}};
  try {
    return mentions(text::concatenate(chat_template.render(probe, options)), mark);
  } catch (const Error&) {
    return false;
  }
}

bool any_role(const ordered_json& messages, std::string_view role) {
  return std::any_of(messages.begin(), messages.end(),
                     [&](const ordered_json& message) { return message["role"] == role; });
}

bool has_calls(std::span<const ChatMessage> messages) {
  return std::any_of(messages.begin(), messages.end(), [](const ChatMessage& message) {
    return !message.tool_calls.empty() || message.role == "tool" || message.role == "function";
  });
}

/// Puts a further change behind the first.
void follow(text::PlainConversation& conversation, text::PlainConversation next) {
  for (int& index : next.made_of) {
    if (index >= 0) index = conversation.made_of[static_cast<size_t>(index)];
  }
  conversation = std::move(next);
}

/// The template with its source.
struct UsedTemplate {
  const text::ChatTemplate& parsed;
  std::string_view source;
};

UsedTemplate template_for(const Model::Implementation& implementation,
                          const ConversationOptions& chat) {
  const bool with_tools = !chat.tools.empty();
  const std::string_view source = implementation.chat_source(with_tools);
  if (!source.empty() || !chat.chatml_without_template) {
    return {implementation.require_chat_template(with_tools), source};
  }
  static const text::ChatTemplate chatml{std::string(text::named_template("chatml"))};
  return {chatml, text::named_template("chatml")};
}

/// Takes away what the template writes behind the last turn's text.
void leave_last_turn_open(std::vector<text::TextSegment>& segments, int last) {
  size_t end = segments.size();
  const auto is_text = [&](const text::TextSegment& segment) {
    return segment.message == last && !segment.is_role && !segment.text.empty();
  };
  while (end > 0 && !is_text(segments[end - 1])) --end;
  if (end == 0) {
    fail(ErrorCode::invalid_input,
         "the chat template leaves out the assistant's last turn, so it cannot be continued");
  }
  segments.resize(end);
}

std::vector<text::TextSegment> render(const Model::Implementation& implementation,
                                      std::span<const ChatMessage> messages,
                                      const ConversationOptions& chat) {
  const text::Tokenizer& tokenizer = implementation.require_tokenizer();
  const auto [chat_template, source] = template_for(implementation, chat);
  text::ChatTemplateOptions options;
  bool open = chat.continue_final_message;
  if (open && (messages.empty() || messages.back().role != "assistant")) {
    fail(ErrorCode::invalid_input, "only a last turn of the assistant can be continued");
  }
  if (open && messages.back().content.empty()) {  // nothing to continue: a turn that begins
    messages = messages.first(messages.size() - 1);
    open = false;
  }
  options.add_generation_prompt = chat.continue_final_message ? !open : chat.add_generation_prompt;
  options.bos_token = spelling(tokenizer, tokenizer.vocabulary().bos);
  options.eos_token = spelling(tokenizer, tokenizer.vocabulary().eos);
  if (!chat.variables.empty()) options.extra = parse(chat.variables, "the template variables");
  add_time(source, options.extra);
  text::PlainConversation conversation{to_json(messages, chat.reasoning, source), {}};
  conversation.made_of.resize(messages.size());
  std::iota(conversation.made_of.begin(), conversation.made_of.end(), 0);
  const bool with_tools = !chat.tools.empty();
  const ordered_json tools = with_tools ? parse(chat.tools, "the tools") : ordered_json::array();
  add_functions(source, tools, options.extra);
  if (options.extra.contains("functions") || mentions(source, "tools") ||
      mentions(source, "tool_calls")) {
    if (with_tools) options.extra["tools"] = tools;
    if (!mentions(source, "tool_calls") && has_calls(messages)) {
      const bool lfm2 = mentions(source, "List of tools: ");
      follow(conversation, text::write_calls_as_text(conversation.messages,
                                                     lfm2 ? text::CallSpelling::python_list
                                                          : text::CallSpelling::tagged_json));
    }
  } else if (with_tools || has_calls(messages)) {
    follow(conversation, text::write_tools_as_text(conversation.messages, tools));
  }
  if (any_role(conversation.messages, "system") && !has_place_for_system(chat_template, options)) {
    follow(conversation, text::move_system_to_user(conversation.messages));
  }
  auto segments = chat_template.render(conversation.messages, options);
  for (text::TextSegment& segment : segments) {
    if (segment.message < 0) continue;
    segment.message = conversation.made_of[static_cast<size_t>(segment.message)];
  }
  if (open) leave_last_turn_open(segments, static_cast<int>(messages.size()) - 1);
  return segments;
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
  const auto segments = render(*implementation_, messages, {options});
  return implementation_->require_tokenizer().encode(segments, /*add_special=*/true);
}

std::string Model::render_chat_template(std::span<const ChatMessage> messages,
                                        const ChatOptions& options) const {
  return conversation_text(*this, messages, {options});
}

ChatPrompt Model::chat_prompt(std::span<const ChatMessage> messages,
                              const ChatOptions& options) const {
  return conversation_prompt(*this, messages, {options});
}

std::string conversation_text(const Model& model, std::span<const ChatMessage> messages,
                              const ConversationOptions& options) {
  return text::concatenate(render(model.implementation(), messages, options));
}

ChatPrompt conversation_prompt(const Model& model, std::span<const ChatMessage> messages,
                               const ConversationOptions& options) {
  const auto segments = render(model.implementation(), messages, options);
  std::vector<size_t> ends;
  ChatPrompt prompt;
  prompt.tokens =
      model.implementation().require_tokenizer().encode(segments, /*add_special=*/true, &ends);
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
