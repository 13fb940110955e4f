// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/endpoint.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// OpenAI's POST /v1/responses, and what was answered there: GET and DELETE /v1/responses/{id}.
std::span<const Endpoint> responses_endpoints();

/// A body of /v1/responses as one of /v1/chat/completions. `before`: messages of the conversation
/// that it goes on from. Errors: RequestError 400.
Json chat_of_responses(const Fields& body, const Json& before);

/// The items of "input", a text among them as a message.
Json input_items(const Fields& body);

}  // namespace lazyllm::server
