// SPDX-License-Identifier: Apache-2.0
#include "server/tool_call_parser.h"

#include <algorithm>
#include <optional>
#include <vector>

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

/// The end of the JSON object that `text` begins with; npos: it is not complete.
size_t object_end(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth == 0) return i + 1;
  }
  return std::string_view::npos;
}

/// A call that breaks off behind its name, with its arguments as far as they are written.
std::optional<ToolCall> begun_call(std::string_view text) {
  const auto skip = [&](std::string_view wanted) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    if (!text.starts_with(wanted)) return false;
    text.remove_prefix(wanted.size());
    return true;
  };
  if (!skip("{") || !skip("\"name\"") || !skip(":") || !skip("\"")) return std::nullopt;
  size_t end = 0;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) return std::nullopt;
  const Json name = Json::parse("\"" + std::string(text.substr(0, end)) + "\"", nullptr, false);
  if (!name.is_string()) return std::nullopt;
  text.remove_prefix(end + 1);
  ToolCall call{"call_" + new_request_id(), name.get<std::string>(), ""};
  if (skip(",") && skip("\"arguments\"") && skip(":") && !skip("}")) call.arguments = text;
  return call;
}

/// The calls of an answer that is one call or a list of them; the last may be incomplete.
std::vector<ToolCall> parse_bare(std::string_view text) {
  std::vector<ToolCall> calls;
  if (auto whole = parse_call(text)) return {std::move(*whole)};
  while (true) {
    const size_t begin = text.find('{');
    if (begin == std::string_view::npos) return calls;
    text.remove_prefix(begin);
    const size_t end = object_end(text);
    auto call = end == std::string_view::npos ? begun_call(text) : parse_call(text.substr(0, end));
    if (call) calls.push_back(std::move(*call));
    if (!call || end == std::string_view::npos) return calls;
    text.remove_prefix(end);
  }
}

std::vector<std::string> names_of(const Json* tools) {
  std::vector<std::string> names;
  if (tools == nullptr) return names;
  for (const Json& tool : *tools) names.push_back(tool["function"]["name"].get<std::string>());
  return names;
}

/// True if the schema of that argument allows a text.
bool may_be_text(const Json* tools, const std::string& function, const std::string& argument) {
  if (tools == nullptr) return false;
  for (const Json& tool : *tools) {
    if (tool["function"]["name"] != function) continue;
    const Json::json_pointer place("/function/parameters/properties");
    if (!tool.contains(place) || !tool.at(place).is_object()) return false;
    const auto found = tool.at(place).find(argument);
    if (found == tool.at(place).end() || !found->is_object()) return false;
    const Json type = found->value("type", Json());
    return type == "string" ||
           (type.is_array() && std::find(type.begin(), type.end(), "string") != type.end());
  }
  return false;
}

/// Takes the text up to `end` off the front of `text`.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view end) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return taken;
}

std::string_view without_line_ends(std::string_view text) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

/// <function=NAME> <parameter=P> VALUE </parameter> ... </function>
std::optional<ToolCall> parse_marked_call(std::string_view text, const Json* tools) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  if (!text.starts_with("<function=")) return std::nullopt;
  text.remove_prefix(std::string_view("<function=").size());
  const auto name = take_until(text, ">");
  if (!name || name->empty()) return std::nullopt;
  ToolCall call{"call_" + new_request_id(), std::string(*name), ""};
  Json arguments = Json::object();
  while (take_until(text, "<parameter=")) {
    const auto key = take_until(text, ">");
    const auto value = take_until(text, "</parameter>");
    if (!key || !value) return std::nullopt;
    const std::string written(without_line_ends(*value));
    Json parsed = Json::parse(written, nullptr, /*allow_exceptions=*/false);
    const std::string argument(*key);
    const bool as_text = parsed.is_discarded() || may_be_text(tools, call.name, argument);
    arguments[argument] = as_text ? Json(written) : std::move(parsed);
  }
  call.arguments = dump(arguments);
  return call;
}

/// The calls that an answer without tags is, or none: then it is text.
std::vector<ToolCall> parse_whole_answer(std::string_view text, const Json* tools) {
  constexpr std::string_view kBetween = " \t\r\n,;[]";
  std::vector<ToolCall> calls;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
    if (text.empty()) return calls;
    std::string name;
    for (const std::string& known : names_of(tools)) {
      if (text.starts_with(known + "{") && known.size() > name.size()) name = known;
    }
    text.remove_prefix(name.size());
    const size_t end = text.starts_with('{') ? object_end(text) : std::string_view::npos;
    if (end == std::string_view::npos) return {};
    const Json json = Json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return {};
    if (!name.empty()) {
      calls.push_back({"call_" + new_request_id(), name, dump(json)});
    } else {
      auto call = parse_call(text.substr(0, end));
      if (!call || (!json.contains("arguments") && !json.contains("parameters"))) return {};
      calls.push_back(std::move(*call));
    }
    text.remove_prefix(end);
  }
}

}  // namespace

const ToolCallParser::Form ToolCallParser::Form::none = {};
const ToolCallParser::Form ToolCallParser::Form::tagged = {Kind::tagged, nullptr};
const ToolCallParser::Form ToolCallParser::Form::bare = {Kind::bare, nullptr};

void ToolCallParser::take_call(Output& output, std::string_view text, std::string_view otherwise) {
  auto call = parse_call(text);
  if (!call) call = parse_marked_call(text, form_.tools.get());
  if (call) {
    output.calls.push_back(std::move(*call));
    after_call_ = true;
  } else {
    output.text += otherwise;
  }
}

/// Whether the answer's first bytes are those of a call without tags.
ToolCallParser::Beginning ToolCallParser::look_at_beginning() const {
  const auto against = [&](std::string_view wanted) {
    size_t matched = 0;
    for (const char c : held_) {
      if (kSpace.find(c) != std::string_view::npos) continue;
      if (matched == wanted.size()) break;
      if (c != wanted[matched++]) return Beginning::text;
    }
    return matched == wanted.size() ? Beginning::call : Beginning::unknown;
  };
  std::vector<std::string> wanted = names_of(form_.tools.get());
  for (std::string& name : wanted) name += '{';
  wanted.insert(wanted.end(), {"{\"name\"", "[{\"name\""});
  Beginning result = Beginning::text;
  for (const std::string& one : wanted) {
    const Beginning found = against(one);
    if (found == Beginning::call) return found;
    if (found == Beginning::unknown) result = found;
  }
  return result;
}

void ToolCallParser::take_tagged(Output& output) {
  while (!held_.empty()) {
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
}

ToolCallParser::Output ToolCallParser::push(std::string_view text) {
  Output output;
  if (form_.kind == Form::Kind::none) {
    output.text = text;
    return output;
  }
  held_ += text;
  if (form_.kind == Form::Kind::bare) return output;
  if (beginning_ == Beginning::unknown) beginning_ = look_at_beginning();
  if (beginning_ == Beginning::text) take_tagged(output);
  return output;
}

ToolCallParser::Output ToolCallParser::finish() {
  Output output;
  if (form_.kind == Form::Kind::bare) {
    output.calls = parse_bare(held_);
    if (output.calls.empty()) output.text = held_;
  } else if (beginning_ == Beginning::call) {
    output.calls = parse_whole_answer(held_, form_.tools.get());
    if (output.calls.empty()) output.text = held_;
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
