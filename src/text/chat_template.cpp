// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include "base/error.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace lazyllm::text {

namespace {

// Parts of a conversation, as jinja::Origin numbers them: 0 is anything but a message.
int32_t part_of(size_t message, bool is_role) {
  return static_cast<int32_t>(2 * message + (is_role ? 2 : 1));
}

TextSegment segment_of(std::string text, const jinja::Origin& origin) {
  TextSegment segment{std::move(text), origin.from_template};
  if (!origin.from_template && origin.part > 0) {
    segment.message = (origin.part - 1) / 2;
    segment.is_role = origin.part % 2 == 0;
  }
  return segment;
}

jinja::Value message_value(const nlohmann::ordered_json& message, size_t index) {
  std::vector<std::pair<jinja::Value, jinja::Value>> entries;
  for (const auto& [key, value] : message.items()) {
    entries.emplace_back(
        jinja::Value(jinja::Text(key, {false, part_of(index, false)})),
        jinja::Value::from_json(value, part_of(index, key == "role" && value.is_string())));
  }
  return jinja::Value::dict(std::move(entries));
}

}  // namespace

struct ChatTemplate::Program {
  jinja::Block block;
};

ChatTemplate::ChatTemplate(const std::string& source)
    : program_(std::make_unique<const Program>(Program{jinja::parse(source)})) {}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::vector<TextSegment> ChatTemplate::render(const nlohmann::ordered_json& messages,
                                              const ChatTemplateOptions& options) const {
  using jinja::Text;
  using jinja::Value;
  if (!messages.is_array()) {
    fail(ErrorCode::invalid_input, "the messages of a chat must be a list of objects");
  }
  for (const auto& message : messages) {
    if (!message.is_object()) {
      fail(ErrorCode::invalid_input, "the messages of a chat must be a list of objects");
    }
  }
  if (!options.extra.is_object()) {
    fail(ErrorCode::invalid_input, "the further variables of a chat template must be an object");
  }
  int line = 0;
  try {
    std::vector<std::pair<std::string, Value>> variables;
    // transformers passes these two always.
    variables.emplace_back("tools", Value());
    variables.emplace_back("documents", Value());
    for (const auto& [name, value] : options.extra.items()) {
      variables.emplace_back(name, Value::from_json(value));
    }
    jinja::Values list;
    for (const auto& message : messages) list.push_back(message_value(message, list.size()));
    variables.emplace_back("messages", Value::list(std::move(list)));
    variables.emplace_back("add_generation_prompt", Value(options.add_generation_prompt));
    variables.emplace_back("bos_token", Value(Text(options.bos_token, true)));
    variables.emplace_back("eos_token", Value(Text(options.eos_token, true)));
    jinja::Runtime runtime(std::move(variables));
    Text text;
    try {
      text = runtime.render(program_->block);
    } catch (...) {
      line = runtime.line();
      throw;
    }
    std::vector<TextSegment> segments;
    size_t begin = 0;
    for (const Text::Run& run : text.runs()) {
      segments.push_back(segment_of(text.bytes().substr(begin, run.end - begin), run.origin));
      begin = run.end;
    }
    return segments;
  } catch (const jinja::RenderFailure& failure) {
    if (line == 0) fail(ErrorCode::invalid_input, "chat template: {}", failure.what());
    fail(ErrorCode::invalid_input, "chat template, line {}: {}", line, failure.what());
  }
}

std::string concatenate(const std::vector<TextSegment>& segments) {
  std::string text;
  for (const TextSegment& segment : segments) text += segment.text;
  return text;
}

}  // namespace lazyllm::text
