// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include "base/error.h"
#include "text/jinja_interpreter.h"
#include "text/jinja_parser.h"

namespace lazyllm::text {

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
    variables.emplace_back("messages", Value::from_json(messages));
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
      segments.push_back({text.bytes().substr(begin, run.end - begin), run.from_template});
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
