// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "server/http_message.h"
#include "server/json_body.h"

namespace lazyllm::server {

inline constexpr const char* kAffinityHeader = "X-Lazyllm-Affinity";

/// Which requests are about the same text: 16 hexadecimal digits over the documents that a body
/// names, else over the beginning of its conversation or prompt. It stays the same from one turn of
/// a conversation to the next, and from one question about documents to the next.
std::string affinity_of(const Json& body);

/// Names it in the response, so that a proxy in front of several replicas can send what belongs
/// together to the one that has read the text. A client that sends a value of its own (1 to 64
/// letters, digits, '.', '_', '-') gets it back.
void set_affinity(Exchange& exchange, const Json& body);

}  // namespace lazyllm::server
