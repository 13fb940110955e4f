// SPDX-License-Identifier: Apache-2.0
#include "server/endpoint.h"

namespace lazyllm::server {

void respond(Exchange& exchange, const Json& json) {
  exchange.response.set_content(dump(json), "application/json; charset=utf-8");
}

}  // namespace lazyllm::server
