// SPDX-License-Identifier: Apache-2.0
#include "server/legacy_functions.h"

#include <fmt/format.h>

namespace lazyllm::server {
namespace {

Json function_of(const Json& function) {
  return {{"type", "function"}, {"function", function}};
}

/// A turn's call, and the turn that answers it.
void translate_message(Json& message, const std::string& path) {
  if (!message.is_object()) return;
  if (message.value("role", Json()) == "function") message["role"] = "tool";
  const auto call = message.find("function_call");
  if (call == message.end()) return;
  if (!call->is_null()) {
    if (message.contains("tool_calls")) {
      throw invalid_request(path + ".function_call",
                            path + " has function_call and tool_calls; leave one out");
    }
    Json tool_call = function_of(*call);
    message["tool_calls"] = Json::array({std::move(tool_call)});
    if (!message.contains("content")) message["content"] = nullptr;
  }
  message.erase("function_call");
}

Json tool_choice_of(const Json& choice) {
  if (choice == "none" || choice == "auto") return choice;
  if (!choice.is_object() || !choice.contains("name")) {
    throw invalid_request("function_call",
                          "function_call must be \"none\", \"auto\" or {\"name\": ...}");
  }
  return {{"type", "function"}, {"function", {{"name", choice["name"]}}}};
}

}  // namespace

bool translate_functions(Json& body) {
  if (const auto messages = body.find("messages"); messages != body.end() && messages->is_array()) {
    for (size_t i = 0; i < messages->size(); ++i)
      translate_message((*messages)[i], fmt::format("messages[{}]", i));
  }
  const Fields fields(body);
  const Json* functions = fields.array("functions");
  if (functions == nullptr || functions->empty()) return false;
  for (const char* name : {"tools", "tool_choice"}) {
    if (const Json* given = fields.find(name); given != nullptr && !given->empty()) {
      throw invalid_request("functions",
                            fmt::format("functions and {} say the same; leave one out", name));
    }
  }
  Json tools = Json::array();
  for (size_t i = 0; i < functions->size(); ++i) {
    const Json& function = (*functions)[i];
    Fields(function, fmt::format("functions[{}]", i)).require("name");
    tools.push_back(function_of(function));
  }
  if (const Json* choice = fields.find("function_call"))
    body["tool_choice"] = tool_choice_of(*choice);
  body["tools"] = std::move(tools);
  body["parallel_tool_calls"] = false;
  body.erase("functions");
  body.erase("function_call");
  return true;
}

}  // namespace lazyllm::server
