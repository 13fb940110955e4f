// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/endpoint.h"

namespace lazyllm::server {

/// Documents in the order of their relevance to a query, in the forms of Jina (and llama-server)
/// and of Hugging Face's text-embeddings-inference.
std::span<const Endpoint> rerank_endpoints();

}  // namespace lazyllm::server
