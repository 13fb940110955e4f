// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "lazyllm/model.h"

namespace lazyllm::server {

/// Calls as Python writes them, the form of LFM2: [NAME(KEY=VALUE, ...), ...]. Values are Python's
/// or JSON's literals; names may have dots.
struct PythonCalls {
  std::vector<ToolCall> calls;  ///< without ids; arguments as a JSON object
  size_t size = 0;              ///< bytes of the whole list
};

/// The list that `text` begins with; nullopt: none, or it is not complete.
std::optional<PythonCalls> parse_python_calls(std::string_view text);

}  // namespace lazyllm::server
