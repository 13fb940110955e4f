// SPDX-License-Identifier: Apache-2.0
#include "text/plain_conversation.h"

#include <string>

namespace lazyllm::text {
namespace {

using nlohmann::ordered_json;

std::string text_of(const ordered_json& message, const char* key) {
  const auto found = message.find(key);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string to_text(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string joined(const std::string& first, const std::string& second, const char* between) {
  return first.empty() || second.empty() ? first + second : first + between + second;
}

std::string description_of(const ordered_json& tools) {
  std::string text =
      "You can call functions. Each line between the tags is one of them, as JSON:\n<tools>\n";
  for (const ordered_json& tool : tools) text += to_text(tool) + "\n";
  return text +
         "</tools>\nTo call one, write its name and its arguments as JSON between tags, one pair "
         "of tags for each call:\n<tool_call>\n{\"name\": \"...\", \"arguments\": {...}}\n"
         "</tool_call>";
}

std::string calls_as_text(const ordered_json& calls) {
  std::string text;
  for (const ordered_json& call : calls) {
    const auto function = call.find("function");
    const ordered_json& named = function == call.end() ? call : *function;
    const ordered_json written = {{"name", named.value("name", ordered_json())},
                                  {"arguments", named.value("arguments", ordered_json::object())}};
    text = joined(text, "<tool_call>\n" + to_text(written) + "\n</tool_call>", "\n");
  }
  return text;
}

/// Python's words for JSON's, texts as both write them.
std::string python_value(const ordered_json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  return value.is_null() ? "None" : to_text(value);
}

std::string calls_as_python(const ordered_json& calls) {
  std::string list;
  for (const ordered_json& call : calls) {
    const auto function = call.find("function");
    const ordered_json& named = function == call.end() ? call : *function;
    std::string arguments;
    const ordered_json given = named.value("arguments", ordered_json::object());
    if (given.is_object()) {
      for (const auto& [key, value] : given.items()) {
        arguments = joined(arguments, key + "=" + python_value(value), ", ");
      }
    }
    list = joined(list, named.value("name", std::string()) + "(" + arguments + ")", ", ");
  }
  return "<|tool_call_start|>[" + list + "]<|tool_call_end|>";
}

bool is_result(const ordered_json& message) {
  const std::string role = text_of(message, "role");
  return role == "tool" || role == "function";
}

void append(PlainConversation& conversation, ordered_json message, int made_of) {
  conversation.messages.push_back(std::move(message));
  conversation.made_of.push_back(made_of);
}

}  // namespace

PlainConversation write_tools_as_text(const ordered_json& messages, const ordered_json& tools) {
  PlainConversation plain{ordered_json::array(), {}};
  bool described = tools.empty();
  if (!described && (messages.empty() || text_of(messages[0], "role") != "system")) {
    append(plain, {{"role", "system"}, {"content", description_of(tools)}}, -1);
    described = true;
  }
  bool after_result = false;
  for (size_t i = 0; i < messages.size(); ++i) {
    ordered_json message = messages[i];
    const bool result = is_result(message);
    if (!described) {
      message["content"] = joined(text_of(message, "content"), description_of(tools), "\n\n");
      described = true;
    }
    if (const auto calls = message.find("tool_calls"); calls != message.end()) {
      message["content"] = joined(text_of(message, "content"), calls_as_text(*calls), "\n");
      message.erase("tool_calls");
    }
    if (result) {
      std::string text = "<tool_response>\n" + text_of(message, "content") + "\n</tool_response>";
      if (after_result) {  // templates want turns that alternate
        ordered_json& last = plain.messages.back();
        last["content"] = text_of(last, "content") + "\n" + text;
        continue;
      }
      message = {{"role", "user"}, {"content", std::move(text)}};
    }
    after_result = result;
    append(plain, std::move(message), static_cast<int>(i));
  }
  return plain;
}

PlainConversation write_calls_as_text(const ordered_json& messages, CallSpelling spelling) {
  PlainConversation plain{ordered_json::array(), {}};
  for (size_t i = 0; i < messages.size(); ++i) {
    ordered_json message = messages[i];
    if (const auto calls = message.find("tool_calls"); calls != message.end()) {
      const std::string text = text_of(message, "content");
      message["content"] = spelling == CallSpelling::python_list
                               ? calls_as_python(*calls) + text
                               : joined(text, calls_as_text(*calls), "\n");
      message.erase("tool_calls");
    }
    append(plain, std::move(message), static_cast<int>(i));
  }
  return plain;
}

PlainConversation move_system_to_user(const ordered_json& messages) {
  PlainConversation plain{ordered_json::array(), {}};
  std::string system;
  int from = -1;
  for (size_t i = 0; i < messages.size(); ++i) {
    ordered_json message = messages[i];
    const std::string role = text_of(message, "role");
    if (role == "system") {
      system = joined(system, text_of(message, "content"), "\n\n");
      from = static_cast<int>(i);
      continue;
    }
    if (role == "user" && !system.empty()) {
      message["content"] = joined(std::exchange(system, {}), text_of(message, "content"), "\n\n");
    }
    append(plain, std::move(message), static_cast<int>(i));
  }
  if (!system.empty()) append(plain, {{"role", "user"}, {"content", system}}, from);
  return plain;
}

}  // namespace lazyllm::text
