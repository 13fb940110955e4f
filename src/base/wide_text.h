// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lazyllm {

/// UTF-16 and UTF-32 texts that begin with a byte-order mark, as UTF-8; nothing for all others.
/// Errors: Error(invalid_input) with `name` and the byte for half a character.
std::optional<std::string> from_wide_text(std::string_view bytes, std::string_view name);

}  // namespace lazyllm
