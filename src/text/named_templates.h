// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::text {

/// The Jinja source of a chat template that is known by name ("chatml"); empty: no such name.
std::string_view named_template(std::string_view name);
/// All names, sorted.
std::vector<std::string> named_template_names();

}  // namespace lazyllm::text
