// SPDX-License-Identifier: Apache-2.0
#include "server/affinity.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"

namespace lazyllm::server {
namespace {

constexpr size_t kMostOwnValue = 64;
constexpr size_t kBeginning = 2048;  // bytes of a text that tell it from others

bool is_own_value(const std::string& text) {
  return !text.empty() && text.size() <= kMostOwnValue &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '_' || c == '-';
         });
}

void add_beginning(Hash& hash, const Json& value) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  hash.add_text(std::string_view(text).substr(0, kBeginning));
}

/// Everything up to the first message of a user: later turns come behind it.
void add_messages(Hash& hash, const Json& messages) {
  for (const Json& message : messages) {
    if (!message.is_object()) return;
    const auto role = message.find("role"), content = message.find("content");
    if (content != message.end()) add_beginning(hash, *content);
    if (role != message.end() && *role == "user") return;
  }
}

}  // namespace

std::string affinity_of(const Json& body) {
  Hash hash;
  const auto field = [&](const char* name) {
    const auto found = body.find(name);
    return found == body.end() || found->empty() ? nullptr : &*found;
  };
  if (!body.is_object()) {
    add_beginning(hash, body);
  } else if (const Json* documents = field("documents")) {
    hash.add_text(documents->dump());
  } else if (const Json* messages = field("messages"); messages && messages->is_array()) {
    add_messages(hash, *messages);
  } else if (const Json* prompt = field("prompt")) {
    add_beginning(hash, *prompt);
  }
  return fmt::format("{:016x}", hash.value());
}

void set_affinity(Exchange& exchange, const Json& body) {
  if (exchange.response.fields.find(kAffinityHeader) != nullptr) return;  // said already
  const std::string own = exchange.request.fields.get(kAffinityHeader);
  exchange.response.set_header(kAffinityHeader, is_own_value(own) ? own : affinity_of(body));
}

}  // namespace lazyllm::server
