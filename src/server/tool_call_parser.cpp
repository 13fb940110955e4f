// SPDX-License-Identifier: Apache-2.0
#include "server/tool_call_parser.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "server/json_body.h"
#include "server/possible_begin.h"
#include "server/python_calls.h"
#include "server/request_log.h"

namespace lazyllm::server {
namespace {

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
/// LFM2's, around a list; where they are tokens of their own they are no text.
constexpr std::string_view kOpenList = "<|tool_call_start|>", kCloseList = "<|tool_call_end|>";
constexpr std::string_view kSpace = " \t\r\n";

std::string new_call_id() {
  return "call_" + new_request_id();
}

std::optional<ToolCall> parse_call(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const auto name = json.find("name");
  if (name == json.end() || !name->is_string()) return std::nullopt;
  auto arguments = json.find("arguments");
  if (arguments == json.end()) arguments = json.find("parameters");
  ToolCall call;
  call.id = new_call_id();
  call.name = name->get<std::string>();
  if (arguments == json.end()) {
    call.arguments = "{}";
  } else {
    call.arguments = arguments->is_string() ? arguments->get<std::string>() : dump(*arguments);
  }
  return call;
}

/// A call that breaks off behind its name, with its arguments as far as they are written.
std::optional<ToolCall> begun_call(std::string_view text) {
  CallHead head = call_head(text);
  if (head.name.empty()) return std::nullopt;
  const std::string_view written = head.size > 0 ? text.substr(head.size) : std::string_view();
  return ToolCall{new_call_id(), std::move(head.name), std::string(written)};
}

/// The calls of an answer that is one call or a list of them; the last may be incomplete.
std::vector<ToolCall> parse_bare(std::string_view text) {
  std::vector<ToolCall> calls;
  if (auto whole = parse_call(text)) return {std::move(*whole)};
  while (true) {
    const size_t begin = text.find('{');
    if (begin == std::string_view::npos) return calls;
    text.remove_prefix(begin);
    const size_t end = json_end(text);
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
  ToolCall call{new_call_id(), std::string(*name), ""};
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
    const size_t end = text.starts_with('{') ? json_end(text) : std::string_view::npos;
    if (end == std::string_view::npos) return {};
    const Json json = Json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return {};
    if (!name.empty()) {
      calls.push_back({new_call_id(), name, dump(json)});
    } else {
      auto call = parse_call(text.substr(0, end));
      if (!call || (!json.contains("arguments") && !json.contains("parameters"))) return {};
      calls.push_back(std::move(*call));
    }
    text.remove_prefix(end);
  }
}

/// The calls of a list, and what follows it in `rest`; none if it is no list of calls.
std::vector<ToolCall> parse_list(std::string_view text, const Json* tools, std::string_view& rest) {
  rest = {};
  auto python = parse_python_calls(text);
  if (!python) return parse_whole_answer(text, tools);
  for (ToolCall& call : python->calls) call.id = new_call_id();
  rest = text.substr(python->size);
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
  return std::move(python->calls);
}

}  // namespace

const ToolCallParser::Form ToolCallParser::Form::none = {};
const ToolCallParser::Form ToolCallParser::Form::tagged = {Kind::tagged, nullptr};
const ToolCallParser::Form ToolCallParser::Form::bare = {Kind::bare, nullptr};

void ToolCallParser::add(Output& output, ToolCall call) {
  output.calls.push_back({calls_++, std::move(call.id), std::move(call.name),
                          std::move(call.arguments), /*begins=*/true, /*ends=*/true});
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
  std::vector<std::string> wanted;
  for (const std::string& name : names_of(form_.tools.get())) {
    wanted.push_back(name + '{');
    wanted.push_back('[' + name + '(');
  }
  wanted.insert(wanted.end(), {"{\"name\"", "[{\"name\""});
  Beginning result = Beginning::text;
  for (const std::string& one : wanted) {
    const Beginning found = against(one);
    if (found == Beginning::call) return found;
    if (found == Beginning::unknown) result = found;
  }
  return result;
}

/// The head of a call at `at`, if it is complete and names a tool; its arguments follow.
bool ToolCallParser::begin_arguments(Output& output, size_t at) {
  CallHead head = call_head(std::string_view(held_).substr(at));
  if (head.size == 0) return false;
  const std::vector<std::string> names = names_of(form_.tools.get());
  if (form_.tools != nullptr && std::find(names.begin(), names.end(), head.name) == names.end()) {
    return false;
  }
  held_.erase(0, at + head.size);
  output.calls.push_back({calls_++, new_call_id(), std::move(head.name), "", /*begins=*/true});
  follower_ = JsonFollower();
  follower_.take('{');  // the call's own
  phase_ = Phase::arguments;
  return true;
}

void ToolCallParser::take_arguments(Output& output) {
  const int own = 1;
  size_t size = 0;
  bool ends = false;
  while (size < held_.size() && !ends) {
    // Only tags have this outside of strings: the object was not closed.
    ends = !follower_.in_string() && held_[size] == '<';
    if (ends) {
      phase_ = Phase::tail;
      break;
    }
    follower_.take(held_[size++]);
    ends = follower_.depth() == own;
    if (ends) phase_ = Phase::rest;
  }
  output.calls.push_back({calls_ - 1, "", "", held_.substr(0, size), false, ends});
  held_.erase(0, size);
}

void ToolCallParser::take_rest() {
  size_t size = 0;
  while (size < held_.size() && phase_ == Phase::rest) {
    const bool tag = !follower_.in_string() && held_[size] == '<';
    if (!tag) follower_.take(held_[size++]);
    if (tag || follower_.depth() == 0) phase_ = Phase::tail;
  }
  held_.erase(0, size);
}

/// True when the call is over.
bool ToolCallParser::take_tail() {
  held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
  const bool closed = held_.starts_with(kClose);
  if (!closed && kClose.starts_with(held_)) return false;
  if (closed) held_.erase(0, kClose.size());
  phase_ = Phase::none;
  in_call_ = false;
  after_call_ = true;
  return true;
}

/// False: more of the answer is needed.
bool ToolCallParser::take_call(Output& output) {
  if (phase_ == Phase::arguments) take_arguments(output);
  if (phase_ == Phase::rest) take_rest();
  if (phase_ == Phase::tail) return take_tail();
  if (phase_ != Phase::none) return false;
  if (in_list_) return take_list(output);
  if (begin_arguments(output, 0)) return true;
  const size_t close = held_.find(kClose);
  if (close == std::string::npos) return false;
  const std::string written = held_.substr(0, close);
  held_.erase(0, close + kClose.size());
  in_call_ = false;
  auto call = parse_call(written);
  if (!call) call = parse_marked_call(written, form_.tools.get());
  after_call_ = call.has_value();
  if (call) {
    add(output, std::move(*call));
  } else {
    output.text += std::string(kOpen) + written + std::string(kClose);
  }
  return true;
}

/// False: more of the answer is needed.
bool ToolCallParser::take_list(Output& output) {
  const size_t close = held_.find(kCloseList);
  if (close == std::string::npos) return false;
  const std::string written = held_.substr(0, close);
  held_.erase(0, close + kCloseList.size());
  in_call_ = in_list_ = false;
  std::string_view rest;
  std::vector<ToolCall> calls = parse_list(written, form_.tools.get(), rest);
  if (!rest.empty()) calls.clear();
  after_call_ = !calls.empty();
  if (calls.empty()) output.text += std::string(kOpenList) + written + std::string(kCloseList);
  for (ToolCall& call : calls) add(output, std::move(call));
  return true;
}

/// False: more of the answer is needed.
bool ToolCallParser::take_text(Output& output) {
  if (after_call_) {
    held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
    if (held_.empty()) return false;
    after_call_ = false;
  }
  const size_t tag = held_.find(kOpen), list = held_.find(kOpenList);
  in_list_ = list < tag;
  in_call_ = in_list_ || tag != std::string::npos;
  const size_t open = std::max(possible_begin(held_, kOpen), possible_begin(held_, kOpenList));
  const size_t certain = in_call_ ? std::min(tag, list) : held_.size() - open;
  output.text += held_.substr(0, certain);
  held_.erase(0, certain + (in_list_ ? kOpenList.size() : in_call_ ? kOpen.size() : 0));
  return in_call_;
}

void ToolCallParser::take_tagged(Output& output) {
  while (!held_.empty() && (in_call_ ? take_call(output) : take_text(output))) {
  }
}

void ToolCallParser::take_bare(Output& output) {
  while (!held_.empty()) {
    if (phase_ == Phase::arguments) take_arguments(output);
    if (phase_ == Phase::rest) take_rest();
    if (phase_ == Phase::tail) phase_ = Phase::none;
    const size_t begin = held_.find('{');
    if (phase_ != Phase::none || begin == std::string::npos || !begin_arguments(output, begin)) {
      return;
    }
  }
}

ToolCallParser::Output ToolCallParser::push(std::string_view text) {
  Output output;
  if (form_.kind == Form::Kind::none) {
    output.text = text;
    return output;
  }
  held_ += text;
  if (form_.kind == Form::Kind::bare) {
    take_bare(output);
    return output;
  }
  if (beginning_ == Beginning::unknown) beginning_ = look_at_beginning();
  if (beginning_ == Beginning::text) take_tagged(output);
  return output;
}

ToolCallParser::Output ToolCallParser::finish() {
  Output output;
  std::vector<ToolCall> calls;
  std::string otherwise = held_;
  if (phase_ != Phase::none) {
    otherwise.clear();
    if (phase_ == Phase::arguments) output.calls.push_back({calls_ - 1, "", "", "", false, true});
  } else if (form_.kind == Form::Kind::bare) {
    calls = parse_bare(held_);
    if (calls_ > 0) otherwise.clear();  // the brackets of the list
  } else if (beginning_ == Beginning::call) {
    std::string_view rest;
    calls = parse_list(held_, form_.tools.get(), rest);
    output.text = rest;
  } else if (in_list_) {
    std::string_view rest;
    calls = parse_list(held_, form_.tools.get(), rest);
    output.text = rest;
    otherwise = std::string(kOpenList) + held_;
  } else if (in_call_) {
    // The model may end its answer instead of closing the tag.
    auto call = parse_call(held_);
    if (!call) call = parse_marked_call(held_, form_.tools.get());
    if (call) calls.push_back(std::move(*call));
    otherwise = std::string(kOpen) + held_;
  }
  if (calls.empty()) output.text = otherwise;
  for (ToolCall& call : calls) add(output, std::move(call));
  held_.clear();
  return output;
}

}  // namespace lazyllm::server
