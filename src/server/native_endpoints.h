// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/http_server.h"
#include "server/model_service.h"

namespace lazyllm::server {

// llama-server's endpoints of the same names, and OpenAI's list of models.
void list_models(ModelService& service, Exchange& exchange);
void tokenize(ModelService& service, Exchange& exchange);
void detokenize(ModelService& service, Exchange& exchange);
void apply_template(ModelService& service, Exchange& exchange);
void show_properties(ModelService& service, Exchange& exchange);
void show_slots(ModelService& service, Exchange& exchange);
void show_metrics(ModelService& service, Exchange& exchange);

}  // namespace lazyllm::server
