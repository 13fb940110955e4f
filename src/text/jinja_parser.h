// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "text/jinja_ast.h"

namespace lazyllm::text::jinja {

/// Errors: Error(invalid_file) with the line for what is not the supported Jinja.
Block parse(const std::string& source);

}  // namespace lazyllm::text::jinja
