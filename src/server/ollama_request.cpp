// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "server/ollama_protocol.h"

namespace lazyllm::server {
namespace {

/// Fields that ollama's users set for the machine, or that a service keeps.
constexpr std::array kMachine = {"keep_alive",       "num_ctx",    "num_batch", "num_gpu",
                                 "main_gpu",         "num_thread", "use_mmap",  "use_mlock",
                                 "num_keep",         "numa",       "low_vram",  "f16_kv",
                                 "vocab_only",       "truncate",   "shift",     "penalize_newline",
                                 "draft_num_predict"};

bool is_of_the_machine(const std::string& name) {
  return std::find(kMachine.begin(), kMachine.end(), name) != kMachine.end();
}

void refuse_images(const Fields& fields) {
  const Json* images = fields.array("images");
  if (images == nullptr || images->empty()) return;
  throw invalid_request(fields.path_of("images"), "this model reads text only; leave images out");
}

/// "json", or a schema.
void add_format(const Fields& body, Json& request) {
  const Json* format = body.find("format");
  if (format == nullptr || *format == "") return;
  if (*format == "json") {
    request["response_format"] = {{"type", "json_object"}};
  } else if (format->is_object()) {
    request["response_format"] = {{"type", "json_schema"},
                                  {"json_schema", {{"name", "format"}, {"schema", *format}}}};
  } else {
    throw invalid_request("format", "format must be \"json\" or a JSON schema");
  }
}

/// Thinking comes from the template where it knows the variable.
void add_thinking(const Fields& body, Json& chat) {
  const Json* think = body.find("think");
  if (think == nullptr) return;
  if (think->is_boolean()) {
    chat["chat_template_kwargs"]["enable_thinking"] = *think;
  } else {
    chat["reasoning_effort"] = to_text(*think, "think");
  }
}

/// What both kinds of body have, with the options under the names that are used here.
Json common(const Fields& body) {
  Json request = Json::object();
  for (const auto& [name, value] : body.json().items()) {
    const bool read = name == "options" || name == "format" || name == "messages" ||
                      name == "prompt" || name == "system" || name == "template" || name == "raw" ||
                      name == "think" || name == "images" || name == "tools" || name == "context" ||
                      is_of_the_machine(name);
    if (!read) request[name] = value;
  }
  if (body.find("stream") == nullptr) request["stream"] = true;
  if (const auto options = body.object("options")) {
    for (const auto& [name, value] : options->json().items()) {
      if (name == "num_predict") {
        request["n_predict"] = value;
      } else if (!is_of_the_machine(name)) {
        request[name] = value;
      }
    }
  }
  add_format(body, request);
  return request;
}

Json message_of(const Fields& message) {
  refuse_images(message);
  Json translated = {{"role", to_text(message.require("role"), message.path_of("role"))},
                     {"content", message.text("content").value_or("")}};
  if (const auto thinking = message.text("thinking"); thinking && !thinking->empty())
    translated["reasoning_content"] = *thinking;
  if (const auto name = message.text("tool_name")) translated["name"] = *name;
  if (const auto id = message.text("tool_call_id")) translated["tool_call_id"] = *id;
  if (const Json* calls = message.array("tool_calls")) {
    for (size_t i = 0; i < calls->size(); ++i) {
      const Fields call((*calls)[i], fmt::format("{}[{}]", message.path_of("tool_calls"), i));
      const Fields function(call.require("function"), call.path_of("function"));
      const Json* arguments = function.find("arguments");
      translated["tool_calls"].push_back(
          {{"id", call.text("id").value_or(fmt::format("call_{}", i))},
           {"type", "function"},
           {"function",
            {{"name", to_text(function.require("name"), function.path_of("name"))},
             {"arguments", dump(arguments == nullptr ? Json::object() : *arguments)}}}});
    }
  }
  return translated;
}

void refuse(const Fields& body, const char* name, const char* instead) {
  const Json* value = body.find(name);
  if (value == nullptr || value->empty() || *value == "") return;
  throw invalid_request(name, fmt::format("{} is not supported; {}", name, instead),
                        "unsupported_parameter");
}

}  // namespace

Json chat_of_ollama(const Fields& body) {
  refuse_images(body);
  Json chat = common(body);
  add_thinking(body, chat);
  if (const Json* tools = body.array("tools"); tools != nullptr && !tools->empty())
    chat["tools"] = *tools;
  Json messages = Json::array();
  if (const Json* given = body.array("messages")) {
    for (size_t i = 0; i < given->size(); ++i)
      messages.push_back(message_of(Fields((*given)[i], fmt::format("messages[{}]", i))));
  } else {
    refuse(body, "template", "start the server with --chat-template");
    refuse(body, "context", "send the conversation to /api/chat");
    if (const auto system = body.text("system"); system && !system->empty())
      messages.push_back({{"role", "system"}, {"content", *system}});
    messages.push_back({{"role", "user"}, {"content", body.text("prompt").value_or("")}});
  }
  chat["messages"] = std::move(messages);
  return chat;
}

Json text_of_ollama(const Fields& body) {
  refuse_images(body);
  refuse(body, "system", "put it into the prompt, which is raw");
  refuse(body, "template", "put it into the prompt, which is raw");
  refuse(body, "context", "put the conversation into the prompt, which is raw");
  Json text = common(body);
  text["prompt"] = body.text("prompt").value_or("");
  if (body.find("options") == nullptr || text.find("n_predict") == text.end())
    text["n_predict"] = -1;
  return text;
}

}  // namespace lazyllm::server
