// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm {

/// JSON as Python writes it has bare words for what is no finite number: NaN, Infinity and
/// -Infinity. The text with these words in quotes, so that they become texts.
std::string quote_non_numbers(std::string_view text);

}  // namespace lazyllm
