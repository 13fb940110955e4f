// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/endpoint.h"

namespace lazyllm::server {

/// Embeddings in the forms of OpenAI, llama-server and ollama.
std::span<const Endpoint> embeddings_endpoints();

}  // namespace lazyllm::server
