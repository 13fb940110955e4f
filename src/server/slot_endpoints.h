// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/endpoint.h"

namespace lazyllm::server {

/// llama-server's slots: what they do, and their conversations saved, restored and erased.
std::span<const Endpoint> slot_endpoints();

}  // namespace lazyllm::server
