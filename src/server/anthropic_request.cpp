// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "server/anthropic_protocol.h"

namespace lazyllm::server {
namespace {

RequestError unknown_block(const Fields& block, const std::string& type) {
  const std::string path = block.path_of("type");
  return invalid_request(path, fmt::format("{} is \"{}\", which this server does not read; send "
                                           "text, tool_use or tool_result",
                                           path, type.substr(0, 100)));
}

Json text_part(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}

/// A document that is text, with what stands above it.
std::string text_of_document(const Fields& block) {
  const Fields source(block.require("source"), block.path_of("source"));
  const std::string& type = to_text(source.require("type"), source.path_of("type"));
  if (type != "text") {
    throw invalid_request(source.path_of("type"),
                          fmt::format("{} is \"{}\", but this model reads documents of type text "
                                      "only",
                                      source.path_of("type"), type.substr(0, 100)));
  }
  std::string text;
  for (const char* heading : {"title", "context"}) {
    if (const auto line = block.text(heading)) text += *line + "\n";
  }
  return text + to_text(source.require("data"), source.path_of("data"));
}

/// A text, or blocks of text, as parts.
Json text_parts(const Json& content, const std::string& path) {
  if (content.is_string()) return content;
  if (!content.is_array()) {
    throw invalid_request(path, path + " must be a string or a list of blocks", "invalid_type");
  }
  Json parts = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const Fields block(content[i], fmt::format("{}[{}]", path, i));
    const std::string& type = to_text(block.require("type"), block.path_of("type"));
    if (type == "text") {
      parts.push_back(text_part(to_text(block.require("text"), block.path_of("text"))));
    } else if (type == "document") {
      parts.push_back(text_part(text_of_document(block)));
    } else {
      throw unknown_block(block, type);
    }
  }
  return parts;
}

Json call_of(const Fields& block) {
  const Json* input = block.find("input");
  return {{"id", to_text(block.require("id"), block.path_of("id"))},
          {"type", "function"},
          {"function",
           {{"name", to_text(block.require("name"), block.path_of("name"))},
            {"arguments", dump(input == nullptr ? Json::object() : *input)}}}};
}

Json result_of(const Fields& block) {
  const Json* content = block.find("content");
  return {
      {"role", "tool"},
      {"tool_call_id", to_text(block.require("tool_use_id"), block.path_of("tool_use_id"))},
      {"content", content == nullptr ? Json("") : text_parts(*content, block.path_of("content"))}};
}

/// One message becomes several where it holds results of tools.
void add_message(const Fields& message, Json& messages) {
  const std::string& role = to_text(message.require("role"), message.path_of("role"));
  if (role != "user" && role != "assistant" && role != "system") {
    throw invalid_request(
        message.path_of("role"),
        fmt::format("{} must be \"user\" or \"assistant\"", message.path_of("role")));
  }
  const Json& content = message.require("content");
  if (content.is_string()) {
    messages.push_back({{"role", role}, {"content", content}});
    return;
  }
  const Json& blocks = *message.array("content");
  Json parts = Json::array(), calls = Json::array();
  std::string thinking;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Fields block(blocks[i], fmt::format("{}[{}]", message.path_of("content"), i));
    const std::string& type = to_text(block.require("type"), block.path_of("type"));
    if (type == "tool_use") {
      calls.push_back(call_of(block));
    } else if (type == "tool_result") {
      messages.push_back(result_of(block));
    } else if (type == "thinking") {
      thinking += block.text("thinking").value_or("");
    } else if (type != "redacted_thinking") {  // that is for its author alone
      parts.push_back(text_parts(Json::array({blocks[i]}), message.path_of("content"))[0]);
    }
  }
  if (parts.empty() && calls.empty() && thinking.empty() && !blocks.empty()) return;
  Json translated = {{"role", role}};
  translated["content"] = parts.empty() ? Json("") : std::move(parts);
  if (!calls.empty()) translated["tool_calls"] = std::move(calls);
  if (!thinking.empty()) translated["reasoning_content"] = thinking;
  messages.push_back(std::move(translated));
}

Json tools_of(const Json& tools) {
  Json translated = Json::array();
  for (size_t i = 0; i < tools.size(); ++i) {
    const Fields tool(tools[i], fmt::format("tools[{}]", i));
    if (const auto type = tool.text("type"); type && *type != "custom") {
      throw invalid_request(tool.path_of("type"),
                            fmt::format("{} is \"{}\"; this server has no tools of its own",
                                        tool.path_of("type"), type->substr(0, 100)));
    }
    const Fields schema(tool.require("input_schema"), tool.path_of("input_schema"));
    Json function = {{"name", to_text(tool.require("name"), tool.path_of("name"))}};
    if (const auto description = tool.text("description")) function["description"] = *description;
    function["parameters"] = schema.json();
    translated.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return translated;
}

void add_tool_choice(const Fields& choice, Json& chat) {
  const std::string& type = to_text(choice.require("type"), "tool_choice.type");
  if (type == "auto" || type == "none") {
    chat["tool_choice"] = type;
  } else if (type == "any") {
    chat["tool_choice"] = "required";
  } else if (type == "tool") {
    const std::string& name = to_text(choice.require("name"), "tool_choice.name");
    chat["tool_choice"] = {{"type", "function"}, {"function", {{"name", name}}}};
  } else {
    throw invalid_request("tool_choice.type",
                          "tool_choice.type must be \"auto\", \"any\", \"tool\" or \"none\"");
  }
  if (choice.boolean("disable_parallel_tool_use").value_or(false))
    chat["parallel_tool_calls"] = false;
}

/// output_format, or the newer output_config.
void add_output_format(const Fields& body, Json& chat) {
  const auto config = body.object("output_config");
  const auto format = config ? config->object("format") : body.object("output_format");
  if (config) {
    if (const auto effort = config->text("effort")) chat["reasoning_effort"] = *effort;
  }
  if (!format) return;
  if (format->text("type").value_or("") != "json_schema") {
    throw invalid_request(format->path_of("type"),
                          format->path_of("type") + " must be \"json_schema\"");
  }
  chat["response_format"] = {
      {"type", "json_schema"},
      {"json_schema", {{"name", "output"}, {"schema", format->require("schema")}}}};
}

}  // namespace

Json chat_of_messages(const Fields& body) {
  Json chat = body.json();
  // Read below, or bookkeeping of a hosted service. Thinking is the model's own affair here: what
  // it thinks comes back as it is.
  for (const char* name :
       {"system", "messages", "tools", "tool_choice", "stop_sequences", "output_format",
        "output_config", "thinking", "metadata", "service_tier", "cache_control", "betas",
        "anthropic_version", "context_management", "inference_geo", "speed", "diagnostics",
        "user_profile_id", "workspace_id"}) {
    chat.erase(name);
  }
  for (const char* name : {"mcp_servers", "container"}) {
    if (body.find(name) != nullptr && !body.find(name)->empty()) {
      throw invalid_request(name, fmt::format("{} is not supported; leave it out", name),
                            "unsupported_parameter");
    }
    chat.erase(name);
  }
  Json messages = Json::array();
  if (const Json* system = body.find("system")) {
    Json content = text_parts(*system, "system");
    if (!content.empty()) messages.push_back({{"role", "system"}, {"content", std::move(content)}});
  }
  body.require("messages");
  const Json& given = *body.array("messages");
  if (given.empty()) throw invalid_request("messages", "messages is empty; give at least one");
  for (size_t i = 0; i < given.size(); ++i)
    add_message(Fields(given[i], fmt::format("messages[{}]", i)), messages);
  chat["messages"] = std::move(messages);
  if (const Json* tools = body.array("tools"); tools != nullptr && !tools->empty())
    chat["tools"] = tools_of(*tools);
  if (const auto choice = body.object("tool_choice")) add_tool_choice(*choice, chat);
  if (const Json* stops = body.array("stop_sequences")) chat["stop"] = *stops;
  add_output_format(body, chat);
  return chat;
}

}  // namespace lazyllm::server
