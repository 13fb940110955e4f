// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/endpoint.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// llama-server's endpoints, and OpenAI's list of models.
std::span<const Endpoint> native_endpoints();

/// A model as lists of models have it.
Json model_json(const ModelService& service);

}  // namespace lazyllm::server
