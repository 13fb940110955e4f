// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "server/endpoint.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// /api/chat, /api/generate, /api/tags, /api/show, /api/ps, /api/version.
std::span<const Endpoint> ollama_endpoints();

/// A body of /api/chat, or of /api/generate with its prompt as a chat's only turn, as one of
/// /v1/chat/completions. Errors: RequestError 400.
Json chat_of_ollama(const Fields& body);
/// A body of /api/generate as one of /v1/completions: its prompt goes to the model as it is.
Json text_of_ollama(const Fields& body);

/// A model in the lists of /api/tags and of /api/ps.
Json ollama_listed(const ModelService& service);
Json ollama_loaded(const ModelService& service);

/// {"error": "message"}
std::string ollama_error(const RequestError& error);

}  // namespace lazyllm::server
