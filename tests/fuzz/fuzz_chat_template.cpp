// SPDX-License-Identifier: Apache-2.0
// Any text as a chat template, rendered over a conversation with a system turn,
// several turns and a tool: parsed and rendered, or refused with Error.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "lazyllm/error.h"
#include "text/chat_template.h"

using namespace lazyllm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto messages = nlohmann::ordered_json::parse(R"([
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": " {{ a }} <s> "},
    {"role": "assistant", "content": "", "tool_calls": [
      {"id": "1", "type": "function", "function": {"name": "f", "arguments": {"x": [1, 2.5, null, true]}}}]},
    {"role": "tool", "content": "3", "tool_call_id": "1"},
    {"role": "user", "content": [{"type": "text", "text": "So?"}]}])");
  static const text::ChatTemplateOptions options = [] {
    text::ChatTemplateOptions o;
    o.bos_token = "<s>";
    o.eos_token = "</s>";
    o.extra["tools"] = nlohmann::ordered_json::parse(
        R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])");
    return o;
  }();
  try {
    const text::ChatTemplate chat_template(std::string(reinterpret_cast<const char*>(data), size));
    chat_template.render(messages, options);
  } catch (const Error&) {
  }
  return 0;
}
