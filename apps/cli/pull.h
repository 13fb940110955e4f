// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace lazyllm::cli {

/// pull_model() under a line of progress; Ctrl-C stops it. Errors: as pull_model().
std::filesystem::path pull_with_progress(const std::string& what, const std::string& sha256);

}  // namespace lazyllm::cli
