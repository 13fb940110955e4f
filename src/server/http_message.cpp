// SPDX-License-Identifier: Apache-2.0
#include "server/http_message.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace lazyllm::server {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Whether a comma-separated list, such as that of Connection, has this word.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view part = list.substr(0, comma);
    const size_t first = part.find_first_not_of(" \t");
    part = first == std::string_view::npos ? "" : part.substr(first);
    part = part.substr(0, part.find_last_not_of(" \t") + 1);
    if (same_name(part, word)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace

const std::string* HttpFields::find(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(),
                                  [&](const auto& field) { return same_name(field.first, name); });
  return found == fields_.end() ? nullptr : &found->second;
}

std::string HttpFields::get(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string() : *value;
}

std::string HttpRequest::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const size_t equals = std::min(part.find('='), part.size());
    if (part.substr(0, equals) != name) continue;
    return percent_decoded(part.substr(std::min(equals + 1, part.size())), /*plus=*/true);
  }
  return {};
}

std::string percent_decoded(std::string_view text, bool plus) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const char* end = digits.data() + digits.size();
    if (text[i] == '%' && digits.size() == 2 &&
        std::from_chars(digits.data(), end, byte, 16).ptr == end) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += plus && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

bool HttpRequest::has_body() const {
  const std::string length = fields.get("Content-Length");
  return fields.find("Transfer-Encoding") != nullptr || (!length.empty() && length != "0");
}

bool HttpRequest::keeps_alive() const {
  const std::string connection = fields.get("Connection");
  return version_1_0 ? has_word(connection, "keep-alive") : !has_word(connection, "close");
}

void HttpResponse::set_content(std::string content, std::string type) {
  body = std::move(content);
  stream = nullptr;
  fields.add("Content-Type", std::move(type));
}

void HttpResponse::set_stream(std::string type, std::function<void(HttpSink& sink)> writer) {
  stream = std::move(writer);
  fields.add("Content-Type", std::move(type));
}

}  // namespace lazyllm::server
