// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/endpoint.h"

namespace lazyllm::server {

/// /v1/documents: texts and files that later requests may name.
std::span<const Endpoint> document_endpoints();

/// A document as the beginning of a turn: a blank line follows, as in `lazyllm run -f`.
std::string document_head(std::string text);

/// A request with the texts that its field "documents" names.
struct ExpandedRequest {
  Json body;                       ///< they stand before the first user message, or the prompt
  std::vector<std::string> texts;  ///< each as it stands there
  bool free_order = false;         ///< its field "order" says so
};
/// Nothing if there is no such field. Errors: RequestError 400, 404.
std::optional<ExpandedRequest> with_documents(const ModelService& service, const Json& body);

/// Where texts that stand one after the other lie in a prompt: their whole tokens, without white
/// space around them. One that the tokenizer changed is left out.
std::vector<TokenRange> ranges_of(const Model& model, std::span<const TokenId> prompt,
                                  std::span<const std::string> texts);

}  // namespace lazyllm::server
