// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lazyllm::server {
namespace {

/// A string, or the texts of a list of parts with `separator` between them.
std::string parse_content(const Json* json, const std::string& path, const char* separator) {
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
    if (i > 0) content += separator;
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
  if (parsed.arguments.empty()) parsed.arguments = "{}";  // clients write a call without any so
  return parsed;
}

/// `last`: nothing stands behind this turn.
ChatMessage parse_message(const Fields& fields, bool last) {
  ChatMessage message;
  message.role = to_text(fields.require("role"), fields.path_of("role"));
  if (message.role.empty()) {
    throw invalid_request(fields.path_of("role"), fields.path_of("role") + " is empty");
  }
  const Json* content = fields.find("content");
  // llama-server's: the parts of a beginning that is continued are paragraphs, others are lines.
  const char* separator = last && message.role == "assistant" ? "\n\n" : "\n";
  message.content = parse_content(content, fields.path_of("content"), separator);
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

/// {"type": "allowed_tools", "allowed_tools": {"mode", "tools"}}: the others are as if not given.
ToolChoice parse_allowed_tools(const Fields& choice, Json& tools) {
  const Fields allowed(choice.require("allowed_tools"), choice.path_of("allowed_tools"));
  const std::string& mode = to_text(allowed.require("mode"), allowed.path_of("mode"));
  if (mode != "auto" && mode != "required") {
    throw invalid_request(allowed.path_of("mode"),
                          allowed.path_of("mode") + " must be \"auto\" or \"required\"");
  }
  allowed.require("tools");
  Json chosen = Json::array();
  for (const Json& item : *allowed.array("tools")) {
    const Fields tool(item, allowed.path_of("tools"));
    const Fields function(tool.require("function"), tool.path_of("function"));
    const std::string& name = to_text(function.require("name"), function.path_of("name"));
    const auto found = std::find_if(tools.begin(), tools.end(), [&](const Json& known) {
      return known["function"]["name"] == name;
    });
    if (found == tools.end()) {
      throw invalid_request(
          "tool_choice",
          fmt::format("tool_choice allows \"{}\", which is not among the tools", name));
    }
    chosen.push_back(*found);
  }
  tools = std::move(chosen);
  if (tools.empty()) return {};
  return {mode == "auto" ? ToolChoice::Mode::automatic : ToolChoice::Mode::required, ""};
}

ToolChoice parse_tool_choice(const Fields& body, Json& tools) {
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
  if (choice.text("type") == "allowed_tools") return parse_allowed_tools(choice, tools);
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

/// The schema of a function's arguments; a function without parameters takes none.
Json parameters_of(const Json& function) {
  Json parameters = function.value("parameters", Json::object());
  if (!parameters.is_object()) parameters = Json::object();
  const bool absent = parameters.empty();
  if (absent) parameters = {{"type", "object"}, {"properties", Json::object()}};
  const auto properties = parameters.find("properties");
  const bool none =
      properties != parameters.end() && properties->empty() &&
      std::all_of(parameters.items().begin(), parameters.items().end(), [](const auto& item) {
        return item.key() == "type" || item.key() == "properties" || item.key() == "required" ||
               item.key() == "title" || item.key() == "description" || item.key() == "$schema";
      });
  if (none) parameters["additionalProperties"] = false;
  return parameters;
}

/// Where the answer begins: a turn of its own, or in the assistant's turn at the end.
void parse_beginning(const Fields& body, ChatRequest& request) {
  const auto adds_prompt = body.boolean("add_generation_prompt");
  const auto continues = body.boolean("continue_final_message");
  const ChatMessage& last = request.messages.back();
  const bool can = last.role == "assistant" && last.tool_calls.empty();
  if (continues.value_or(false) && !can) {
    throw invalid_request("continue_final_message",
                          "continue_final_message needs a turn of the assistant, without calls of "
                          "tools, at the end");
  }
  if (continues.value_or(false) && adds_prompt.value_or(false)) {
    throw invalid_request("add_generation_prompt",
                          "add_generation_prompt begins a new turn and continue_final_message "
                          "goes on with the last; leave one out");
  }
  request.options.add_generation_prompt = adds_prompt.value_or(true);
  request.options.continue_final_message = continues.value_or(can && !adds_prompt);
}

}  // namespace

ChatRequest parse_chat(const Fields& body) {
  ChatRequest request;
  request.options.chatml_without_template = true;
  body.require("messages");
  const Json& messages = *body.array("messages");
  if (messages.empty()) throw invalid_request("messages", "messages is empty; give at least one");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Fields message(messages[i], fmt::format("messages[{}]", i));
    request.messages.push_back(parse_message(message, i + 1 == messages.size()));
    request.options.reasoning.push_back(message.text("reasoning_content").value_or(""));
  }
  const size_t count = request.messages.size();
  if (count > 1 && request.messages[count - 1].role == "assistant" &&
      request.messages[count - 2].role == "assistant") {
    throw invalid_request("messages",
                          "the conversation ends with two turns of the assistant; join them");
  }
  parse_tools(body, request);
  request.tool_choice = parse_tool_choice(body, request.tools);
  request.parallel_calls = body.boolean("parallel_tool_calls").value_or(false);
  if (request.tool_choice.mode == ToolChoice::Mode::none) {
    request.tools = Json::array();
  }
  if (!request.tools.empty()) request.options.tools = dump(request.tools);
  if (const auto variables = body.object("chat_template_kwargs")) {
    request.options.variables = dump(variables->json());
  }
  parse_beginning(body, request);
  return request;
}

std::string ChatRequest::call_schema() const {
  Json calls = Json::array();
  const bool named = !tool_choice.name.empty();
  const bool single = named || tools.size() == 1;
  for (const Json& tool : tools) {
    const Json& function = tool["function"];
    if (named && (function["name"] != tool_choice.name || !calls.empty())) continue;
    Json parameters = parameters_of(function);
    const std::string place = parallel_calls ? "/items" : "";
    move_references(parameters,
                    single ? place + "/properties/arguments"
                           : fmt::format("{}/anyOf/{}/properties/arguments", place, calls.size()));
    calls.push_back(
        {{"type", "object"},
         {"properties",
          {{"name", {{"const", function["name"]}}}, {"arguments", std::move(parameters)}}},
         {"required", {"name", "arguments"}},
         {"additionalProperties", false}});
  }
  Json schema = single ? calls[0] : Json{{"anyOf", calls}};
  if (parallel_calls) schema = {{"type", "array"}, {"minItems", 1}, {"items", std::move(schema)}};
  return dump(schema);
}

}  // namespace lazyllm::server
