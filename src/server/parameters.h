// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "server/json_body.h"

namespace lazyllm::server {

/// Which kind of request a body is.
enum class RequestKind : unsigned {
  chat = 1,
  text = 2,
  native = 4,
  infill = 8,
  embeddings = 16,
  rerank = 32
};

/// Holds the names of a body against the list of parameters (docs/parameters.md has it in words):
/// what would change the answer and is not done here is refused, unless its value asks for nothing;
/// so is a name that looks like a misspelt one. Returns the names nobody knows.
/// Errors: RequestError 400 that names the parameter.
std::vector<std::string> check_parameters(const Fields& body, RequestKind kind);

}  // namespace lazyllm::server
