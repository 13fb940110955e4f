// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lazyllm::server {
namespace {

/// A string, or the texts of a list of parts.
std::string parse_content(const Json* json, const std::string& path) {
  if (json == nullptr) return {};
  if (json->is_string()) return json->get<std::string>();
  if (!json->is_array()) {
    throw invalid_request(path, fmt::format("{} must be a string or a list of parts", path),
                          "invalid_type");
  }
  std::string content;
  for (size_t i = 0; i < json->size(); ++i) {
    const Fields part((*json)[i], fmt::format("{}[{}]", path, i));
    const std::string& type = to_text(part.require("type"), part.path_of("type"));
    if (type != "text" && type != "refusal") {
      throw invalid_request(
          part.path_of("type"),
          fmt::format("{} is \"{}\", but this model reads text only", part.path_of("type"), type));
    }
    content += to_text(part.require(type.c_str()), part.path_of(type));
  }
  return content;
}

ToolCall parse_tool_call(const Fields& call) {
  const auto function = call.object("function");
  if (!function) {
    throw invalid_request(call.path_of("function"), call.path_of("function") + " is missing",
                          "missing_required_parameter");
  }
  ToolCall parsed;
  parsed.id = call.text("id").value_or("");
  parsed.name = to_text(function->require("name"), function->path_of("name"));
  const Json& arguments = function->require("arguments");
  parsed.arguments = arguments.is_string() ? arguments.get<std::string>() : dump(arguments);
  return parsed;
}

ChatMessage parse_message(const Fields& fields) {
  ChatMessage message;
  message.role = to_text(fields.require("role"), fields.path_of("role"));
  if (message.role.empty()) {
    throw invalid_request(fields.path_of("role"), fields.path_of("role") + " is empty");
  }
  const Json* content = fields.find("content");
  message.content = parse_content(content, fields.path_of("content"));
  message.name = fields.text("name").value_or("");
  message.tool_call_id = fields.text("tool_call_id").value_or("");
  if (const Json* calls = fields.array("tool_calls")) {
    for (size_t i = 0; i < calls->size(); ++i) {
      message.tool_calls.push_back(parse_tool_call(
          Fields((*calls)[i], fmt::format("{}[{}]", fields.path_of("tool_calls"), i))));
    }
  }
  if (content == nullptr && message.tool_calls.empty() &&
      fields.json().find("content") == fields.json().end()) {
    throw invalid_request(fields.path_of("content"), fields.path_of("content") + " is missing",
                          "missing_required_parameter");
  }
  return message;
}

void parse_tools(const Fields& body, ChatRequest& request) {
  const Json* tools = body.array("tools");
  if (tools == nullptr) return;
  for (size_t i = 0; i < tools->size(); ++i) {
    const Fields tool((*tools)[i], fmt::format("tools[{}]", i));
    const std::string& type = to_text(tool.require("type"), tool.path_of("type"));
    if (type != "function") {
      throw invalid_request(
          tool.path_of("type"),
          fmt::format("{} is \"{}\"; only \"function\" is known", tool.path_of("type"), type));
    }
    const Fields function(tool.require("function"), tool.path_of("function"));
    if (to_text(function.require("name"), function.path_of("name")).empty()) {
      throw invalid_request(function.path_of("name"), function.path_of("name") + " is empty");
    }
    function.object("parameters");
  }
  request.tools = *tools;
}

bool has_tool(const Json& tools, const std::string& name) {
  return std::any_of(tools.begin(), tools.end(),
                     [&](const Json& tool) { return tool["function"]["name"] == name; });
}

ToolChoice parse_tool_choice(const Fields& body, const Json& tools) {
  const Json* json = body.find("tool_choice");
  if (json == nullptr) {
    return {tools.empty() ? ToolChoice::Mode::none : ToolChoice::Mode::automatic, ""};
  }
  if (json->is_string()) {
    if (*json == "none") return {};
    if (tools.empty()) throw invalid_request("tool_choice", "tool_choice is given without tools");
    if (*json == "auto") return {ToolChoice::Mode::automatic, ""};
    if (*json == "required") return {ToolChoice::Mode::required, ""};
    throw invalid_request("tool_choice",
                          "tool_choice must be \"none\", \"auto\", \"required\" or a function");
  }
  const Fields choice(*json, "tool_choice");
  const Fields function(choice.require("function"), "tool_choice.function");
  const std::string& name = to_text(function.require("name"), "tool_choice.function.name");
  if (!has_tool(tools, name)) {
    throw invalid_request(
        "tool_choice", fmt::format("tool_choice names \"{}\", which is not among the tools", name));
  }
  return {ToolChoice::Mode::required, name};
}

/// Makes the references of a schema that moves to `place` (a JSON pointer) point there. What is
/// data (enum, const, default, examples) stays; under `properties` and its like, keys are names.
void move_references(Json& schema, const std::string& place) {
  constexpr std::array<std::string_view, 6> kNamed = {
      "properties",  "patternProperties", "$defs",
      "definitions", "dependentSchemas",  "dependencies"};
  constexpr std::array<std::string_view, 4> kData = {"enum", "const", "default", "examples"};
  if (schema.is_array()) {
    for (Json& part : schema) move_references(part, place);
  }
  if (!schema.is_object()) return;
  for (auto& [key, value] : schema.items()) {
    if (key == "$ref" && value.is_string() &&
        value.get_ref<const std::string&>().starts_with("#")) {
      value = "#" + place + value.get_ref<const std::string&>().substr(1);
    } else if (std::find(kNamed.begin(), kNamed.end(), key) != kNamed.end() && value.is_object()) {
      for (auto& [name, named] : value.items()) move_references(named, place);
    } else if (std::find(kData.begin(), kData.end(), key) == kData.end()) {
      move_references(value, place);
    }
  }
}

}  // namespace

ChatRequest parse_chat(const Fields& body, const ModelInfo& model) {
  if (!model.has_chat_template) {
    throw RequestError(501, "not_supported_error", "no_chat_template",
                       "this model has no chat template; use /v1/completions");
  }
  ChatRequest request;
  body.require("messages");
  const Json& messages = *body.array("messages");
  if (messages.empty()) throw invalid_request("messages", "messages is empty; give at least one");
  for (size_t i = 0; i < messages.size(); ++i) {
    request.messages.push_back(parse_message(Fields(messages[i], fmt::format("messages[{}]", i))));
  }
  parse_tools(body, request);
  request.tool_choice = parse_tool_choice(body, request.tools);
  if (request.tool_choice.mode == ToolChoice::Mode::none) {
    request.tools = Json::array();
  } else if (!model.chat_template_has_tools) {
    throw invalid_request("tools",
                          "the chat template of this model does not know tools; leave them out");
  }
  if (!request.tools.empty()) request.options.tools = dump(request.tools);
  if (const auto variables = body.object("chat_template_kwargs")) {
    request.options.variables = dump(variables->json());
  }
  request.options.add_generation_prompt = body.boolean("add_generation_prompt").value_or(true);
  return request;
}

std::string ChatRequest::call_schema() const {
  Json calls = Json::array();
  const bool named = !tool_choice.name.empty();
  const bool single = named || tools.size() == 1;
  for (const Json& tool : tools) {
    const Json& function = tool["function"];
    if (named && (function["name"] != tool_choice.name || !calls.empty())) continue;
    Json parameters = function.value("parameters", Json::object());
    if (parameters.empty()) parameters = {{"type", "object"}};
    move_references(parameters, single
                                    ? "/properties/arguments"
                                    : fmt::format("/anyOf/{}/properties/arguments", calls.size()));
    calls.push_back(
        {{"type", "object"},
         {"properties",
          {{"name", {{"const", function["name"]}}}, {"arguments", std::move(parameters)}}},
         {"required", {"name", "arguments"}},
         {"additionalProperties", false}});
  }
  return dump(single ? calls[0] : Json{{"anyOf", calls}});
}

}  // namespace lazyllm::server
