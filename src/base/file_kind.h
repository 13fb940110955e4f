// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lazyllm {

/// Refuses bytes that are no UTF-8 text, saying what they are by their first bytes and how to make
/// a text of them. Errors: Error(invalid_input) with `name`.
void refuse_other_kinds(std::string_view bytes, std::string_view name);

}  // namespace lazyllm
