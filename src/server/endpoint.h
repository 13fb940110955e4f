// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/http_message.h"
#include "server/model_service.h"
#include "server/request_error.h"

namespace lazyllm::server {

/// A path of a protocol. Each protocol has a list of its own; server.cpp has the list of lists.
struct Endpoint {
  const char* method;
  const char* path;  ///< may end in /{name}, see HttpService::route
  void (*answer)(ModelService& service, Exchange& exchange);
  ErrorText error_text = nullptr;  ///< null: OpenAI's form
  bool takes_forms = false;        ///< a body of type multipart/form-data
};

/// A JSON value as the response.
void respond(Exchange& exchange, const Json& json);

}  // namespace lazyllm::server
