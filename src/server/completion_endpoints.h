// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/http_server.h"
#include "server/model_service.h"

namespace lazyllm::server {

/// POST /v1/chat/completions
void answer_chat(ModelService& service, Exchange& exchange);
/// POST /v1/completions
void answer_completion(ModelService& service, Exchange& exchange);

}  // namespace lazyllm::server
