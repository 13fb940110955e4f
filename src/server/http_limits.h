// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>

namespace lazyllm::server {

/// What one client may take of time and memory.
struct HttpLimits {
  std::chrono::milliseconds idle{5000};    ///< between two requests
  std::chrono::milliseconds head{10000};   ///< for a request line with its headers
  std::chrono::milliseconds body{60000};   ///< for a body
  std::chrono::milliseconds write{30000};  ///< until a client that does not read counts as gone
  std::chrono::milliseconds linger{2000};  ///< for what still comes from a client turned away
  size_t head_bytes = 32 * 1024;
  size_t body_bytes = 8 * 1024 * 1024;
};

}  // namespace lazyllm::server
