// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lazyllm {

/// "0.1.0"
std::string version();

/// Kernel sets this machine can run, best first: "avx512-vnni", "avx2", "generic".
std::vector<std::string> available_isas();

}  // namespace lazyllm
