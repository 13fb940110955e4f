// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>

#include "server/endpoint.h"

namespace lazyllm::server {

/// /v1/documents: texts and files that later requests may name.
std::span<const Endpoint> document_endpoints();

/// A document as the beginning of a turn: a blank line follows, as in `lazyllm run -f`.
std::string document_head(std::string text);

/// The request with the texts that its field "documents" names: before the first user message of a
/// chat, or before the prompt. Nothing if there is no such field. Errors: RequestError 400, 404.
std::optional<Json> with_documents(const ModelService& service, const Json& body);

}  // namespace lazyllm::server
