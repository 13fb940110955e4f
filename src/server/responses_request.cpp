// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "server/responses_protocol.h"

namespace lazyllm::server {
namespace {

RequestError unknown_type(const Fields& fields, const std::string& type, const char* known) {
  const std::string path = fields.path_of("type");
  return invalid_request(
      path, fmt::format("{} is \"{}\"; this server reads {}", path, type.substr(0, 100), known));
}

/// A text, or parts of text.
Json content_of(const Json& content, const std::string& path) {
  if (content.is_string()) return content;
  if (!content.is_array())
    throw invalid_request(path, path + " must be a string or a list of parts", "invalid_type");
  Json parts = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const Fields part(content[i], fmt::format("{}[{}]", path, i));
    const std::string& type = to_text(part.require("type"), part.path_of("type"));
    const bool refusal = type == "refusal";
    if (type != "input_text" && type != "output_text" && type != "text" && !refusal)
      throw unknown_type(part, type, "input_text and output_text");
    const char* name = refusal ? "refusal" : "text";
    parts.push_back({{"type", "text"}, {"text", to_text(part.require(name), part.path_of(name))}});
  }
  return parts;
}

/// Calls that follow on one another are one turn of the assistant.
void add_call(const Fields& item, Json& messages) {
  Json call = {{"id", to_text(item.require("call_id"), item.path_of("call_id"))},
               {"type", "function"},
               {"function",
                {{"name", to_text(item.require("name"), item.path_of("name"))},
                 {"arguments", to_text(item.require("arguments"), item.path_of("arguments"))}}}};
  if (messages.empty() || messages.back()["role"] != "assistant")
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  messages.back()["tool_calls"].push_back(std::move(call));
}

void add_item(const Fields& item, Json& messages) {
  const std::string type = item.text("type").value_or("message");
  if (type == "message") {
    messages.push_back({{"role", to_text(item.require("role"), item.path_of("role"))},
                        {"content", content_of(item.require("content"), item.path_of("content"))}});
  } else if (type == "function_call") {
    add_call(item, messages);
  } else if (type == "function_call_output") {
    messages.push_back({{"role", "tool"},
                        {"tool_call_id", to_text(item.require("call_id"), item.path_of("call_id"))},
                        {"content", content_of(item.require("output"), item.path_of("output"))}});
  } else if (type != "reasoning") {  // what was thought belongs to the turn it was thought in
    throw unknown_type(item, type, "message, function_call, function_call_output and reasoning");
  }
}

void add_tools(const Fields& body, Json& chat) {
  const Json* tools = body.array("tools");
  if (tools == nullptr || tools->empty()) return;
  for (size_t i = 0; i < tools->size(); ++i) {
    const Fields tool((*tools)[i], fmt::format("tools[{}]", i));
    const std::string& type = to_text(tool.require("type"), tool.path_of("type"));
    if (type != "function") throw unknown_type(tool, type, "tools of type function");
    Json function = {{"name", to_text(tool.require("name"), tool.path_of("name"))}};
    if (const auto description = tool.text("description")) function["description"] = *description;
    if (const auto parameters = tool.object("parameters"))
      function["parameters"] = parameters->json();
    chat["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
  }
}

void add_tool_choice(const Fields& body, Json& chat) {
  const Json* choice = body.find("tool_choice");
  if (choice == nullptr) return;
  if (choice->is_string()) {
    // "auto" without tools asks for nothing.
    if (*choice != "auto" || chat.contains("tools")) chat["tool_choice"] = *choice;
    return;
  }
  const Fields fields(*choice, "tool_choice");
  const std::string& type = to_text(fields.require("type"), "tool_choice.type");
  if (type != "function") throw unknown_type(fields, type, "a tool_choice of type function");
  chat["tool_choice"] = {
      {"type", "function"},
      {"function", {{"name", to_text(fields.require("name"), "tool_choice.name")}}}};
}

void add_text_format(const Fields& body, Json& chat) {
  const auto text = body.object("text");
  if (!text) return;
  if (const Json* verbosity = text->find("verbosity")) chat["verbosity"] = *verbosity;
  const auto format = text->object("format");
  if (!format) return;
  const std::string& type = to_text(format->require("type"), "text.format.type");
  if (type == "json_schema") {
    Json schema = {{"name", format->text("name").value_or("output")},
                   {"schema", format->require("schema")}};
    chat["response_format"] = {{"type", type}, {"json_schema", std::move(schema)}};
  } else if (type == "json_object" || type == "text") {
    chat["response_format"] = {{"type", type}};
  } else {
    throw unknown_type(*format, type, "text, json_object and json_schema");
  }
}

/// What would need a service behind it, or change the prompt in ways that are not done here.
void refuse_unsupported(const Fields& body) {
  const auto refuse = [&](const char* name) {
    throw invalid_request(name, fmt::format("{} is not supported; leave it out", name),
                          "unsupported_parameter");
  };
  for (const char* name : {"conversation", "prompt", "context_management"}) {
    if (body.find(name) != nullptr) refuse(name);
  }
  if (body.boolean("background").value_or(false)) refuse("background");
  if (body.text("truncation").value_or("disabled") != "disabled") refuse("truncation");
  if (body.integer("max_tool_calls", 1, 1 << 20)) refuse("max_tool_calls");
}

}  // namespace

Json input_items(const Fields& body) {
  const Json* input = body.find("input");
  if (input == nullptr) return Json::array();
  if (input->is_string())
    return Json::array({{{"type", "message"}, {"role", "user"}, {"content", *input}}});
  if (!input->is_array())
    throw invalid_request("input", "input must be a string or a list of items", "invalid_type");
  return *input;
}

Json chat_of_responses(const Fields& body, const Json& before) {
  refuse_unsupported(body);
  Json chat = body.json();
  // Read below or by the endpoint. "include" and "reasoning.summary" ask for what is not made here.
  for (const char* name : {"input", "instructions", "tools", "tool_choice", "text", "reasoning",
                           "max_output_tokens", "previous_response_id", "truncation", "background",
                           "include", "max_tool_calls", "stream_options", "top_logprobs"}) {
    chat.erase(name);
  }
  Json messages = Json::array();
  if (const auto instructions = body.text("instructions"); instructions && !instructions->empty())
    messages.push_back({{"role", "system"}, {"content", *instructions}});
  messages.insert(messages.end(), before.begin(), before.end());
  const Json items = input_items(body);
  if (items.empty()) throw invalid_request("input", "input is empty; give some text");
  for (size_t i = 0; i < items.size(); ++i)
    add_item(Fields(items[i], fmt::format("input[{}]", i)), messages);
  chat["messages"] = std::move(messages);
  add_tools(body, chat);
  add_tool_choice(body, chat);
  add_text_format(body, chat);
  if (const Json* most = body.find("max_output_tokens")) chat["max_tokens"] = *most;
  if (const auto reasoning = body.object("reasoning")) {
    if (const auto effort = reasoning->text("effort")) chat["reasoning_effort"] = *effort;
  }
  return chat;
}

}  // namespace lazyllm::server
