// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm::grammar {

/// A regular expression for texts that every reader of JSON Schema's "format" of that name takes
/// for one: of the dates those that exist, of the addresses those without rare parts.
/// Empty: the format demands nothing.
std::string pattern_of_format(std::string_view format);

}  // namespace lazyllm::grammar
