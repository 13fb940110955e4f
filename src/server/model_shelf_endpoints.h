// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/http_server.h"
#include "server/model_shelf.h"

namespace lazyllm::server {

/// The model that a request means: its field "model", or ?model= where there is no body.
/// Errors: RequestError 400.
std::string named_model(const Exchange& exchange);

/// What a server of several models says of them: the lists of llama-server's router, of OpenAI and
/// of ollama, loading and unloading. `shelf` outlives the server.
void add_shelf_routes(HttpServer& http, ModelShelf& shelf);
/// GET /props: of the server, or of the model that the request names.
void add_router_properties(HttpServer& http, ModelShelf& shelf, Handler of_a_model);

}  // namespace lazyllm::server
