// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "server/endpoint.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// POST /v1/messages and /v1/messages/count_tokens.
std::span<const Endpoint> anthropic_endpoints();

/// A body of /v1/messages as one of /v1/chat/completions. What is not Anthropic's goes on as it is.
/// Errors: RequestError 400.
Json chat_of_messages(const Fields& body);

/// {"type": "error", "error": {"type", "message"}}
std::string anthropic_error(const RequestError& error);

}  // namespace lazyllm::server
