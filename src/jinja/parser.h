// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "jinja/ast.h"

namespace lazyllm::jinja {

/// Errors: Error(invalid_file) with the line for what is not the supported Jinja.
Block parse(const std::string& source);

}  // namespace lazyllm::jinja
