// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of a chat request: read into messages and tools, or refused as the client's
// fault. What is read can be written again as JSON: schemas of calls, tools, variables.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/chat_request.h"

using namespace lazyllm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const server::Json body =
        server::parse_body(std::string(reinterpret_cast<const char*>(data), size));
    const server::ChatRequest request = server::parse_chat(server::Fields(body));
    if (request.messages.empty()) std::abort();
    for (const ChatMessage& message : request.messages) {
      if (message.role.empty()) std::abort();
    }
    if (request.tool_choice.mode == server::ToolChoice::Mode::required) {
      server::parse_body(request.call_schema());
    }
    if (!request.options.variables.empty()) server::parse_body(request.options.variables);
  } catch (const server::RequestError& error) {
    if (error.status() != 400) std::abort();
    error.to_json();
  }
  return 0;
}
