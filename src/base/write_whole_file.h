// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

namespace lazyllm {

/// Writes the file whole or not at all: into PATH.part beside it, which then takes its place. A
/// device such as /dev/stdout or a pipe is written to as it is.
/// Errors: Error(io) with the path and the reason.
void write_whole_file(const std::filesystem::path& path, std::string_view content);

}  // namespace lazyllm
