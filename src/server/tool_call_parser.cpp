// SPDX-License-Identifier: Apache-2.0
#include "server/tool_call_parser.h"

#include <algorithm>
#include <optional>

#include "server/json_body.h"
#include "server/request_log.h"

namespace lazyllm::server {
namespace {

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
constexpr std::string_view kSpace = " \t\r\n";

/// How many bytes at the end of `text` may begin `tag`.
size_t possible_begin(std::string_view text, std::string_view tag) {
  for (size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size) {
    if (text.ends_with(tag.substr(0, size))) return size;
  }
  return 0;
}

std::optional<ToolCall> parse_call(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto name = json.find("name");
  if (name == json.end() || !name->is_string()) return std::nullopt;
  auto arguments = json.find("arguments");
  if (arguments == json.end()) arguments = json.find("parameters");
  ToolCall call;
  call.id = "call_" + new_request_id();
  call.name = name->get<std::string>();
  if (arguments == json.end()) {
    call.arguments = "{}";
  } else {
    call.arguments = arguments->is_string() ? arguments->get<std::string>() : dump(*arguments);
  }
  return call;
}

}  // namespace

void ToolCallParser::take_call(Output& output, std::string_view json, std::string_view otherwise) {
  if (auto call = parse_call(json)) {
    output.calls.push_back(std::move(*call));
    after_call_ = true;
  } else {
    output.text += otherwise;
  }
}

ToolCallParser::Output ToolCallParser::push(std::string_view text) {
  Output output;
  if (form_ == Form::none) {
    output.text = text;
    return output;
  }
  held_ += text;
  while (form_ == Form::tagged && !held_.empty()) {
    if (after_call_) {
      held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
      if (held_.empty()) break;
      after_call_ = false;
    }
    const size_t tag = held_.find(in_call_ ? kClose : kOpen);
    const bool found = tag != std::string::npos;
    if (in_call_) {
      if (!found) break;
      const std::string call = held_.substr(0, tag + kClose.size());
      held_.erase(0, call.size());
      in_call_ = false;
      take_call(output, std::string_view(call).substr(0, tag), std::string(kOpen) + call);
      continue;
    }
    const size_t certain = found ? tag : held_.size() - possible_begin(held_, kOpen);
    output.text += held_.substr(0, certain);
    held_.erase(0, certain + (found ? kOpen.size() : 0));
    in_call_ = found;
    if (!found) break;
  }
  return output;
}

ToolCallParser::Output ToolCallParser::finish() {
  Output output;
  if (form_ == Form::bare) {
    take_call(output, held_, held_);
  } else if (in_call_) {
    // The model may end its answer instead of closing the tag.
    take_call(output, held_, std::string(kOpen) + held_);
  } else {
    output.text = held_;
  }
  held_.clear();
  return output;
}

}  // namespace lazyllm::server
