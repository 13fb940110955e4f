// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/json_body.h"

namespace lazyllm::server {

/// OpenAI's older form of tools, `functions`, `function_call` and turns of role "function", written
/// as tools. True: the answer is to be in that form too. Errors: RequestError 400.
bool translate_functions(Json& body);

}  // namespace lazyllm::server
