// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/endpoint.h"

namespace lazyllm::server {

/// llama-server's endpoints, and OpenAI's list of models.
std::span<const Endpoint> native_endpoints();

}  // namespace lazyllm::server
