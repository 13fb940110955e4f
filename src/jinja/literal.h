// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "jinja/lexer.h"

namespace lazyllm::jinja {

/// Resolves Python's escapes. Returns what is wrong, or nothing.
std::string unescape(std::string_view body, std::string& out);

/// Reads the number at the beginning of `source` into the token's kind and value.
/// Returns its length, or 0 for an integer that does not fit.
size_t scan_number(std::string_view source, bool may_be_real, Token& token);

}  // namespace lazyllm::jinja
