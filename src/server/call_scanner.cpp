// SPDX-License-Identifier: Apache-2.0
#include "server/call_scanner.h"

#include <algorithm>

#include "server/json_body.h"

namespace lazyllm::server {

void JsonFollower::take(char c) {
  if (quoted_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      quoted_ = false;
    }
    return;
  }
  if (c == '"') quoted_ = true;
  if (c == '{' || c == '[') ++depth_;
  if (c == '}' || c == ']') --depth_;
}

size_t json_end(std::string_view text) {
  JsonFollower follower;
  for (size_t i = 0; i < text.size(); ++i) {
    follower.take(text[i]);
    if (follower.depth() == 0) return i + 1;
  }
  return std::string_view::npos;
}

CallHead call_head(std::string_view text) {
  const std::string_view all = text;
  const auto skip = [&](std::string_view wanted) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (!text.starts_with(wanted)) return false;
    text.remove_prefix(wanted.size());
    return true;
  };
  if (!skip("{") || !skip("\"name\"") || !skip(":") || !skip("\"")) return {};
  size_t end = 0;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) return {};
  const Json name = Json::parse("\"" + std::string(text.substr(0, end)) + "\"", nullptr, false);
  if (!name.is_string()) return {};
  text.remove_prefix(end + 1);
  CallHead head{name.get<std::string>()};
  const bool whole =
      skip(",") && (skip("\"arguments\"") || skip("\"parameters\"")) && skip(":") && skip("{");
  if (whole) head.size = all.size() - text.size() - 1;
  return head;
}

}  // namespace lazyllm::server
