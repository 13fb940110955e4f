// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

namespace lazyllm::engine {

struct EmbeddedFile {
  std::string_view name;
  std::string_view content;
};

/// The files of profiles/, as they were when the library was built (cmake/EmbedFiles.cmake): the
/// same command prunes alike in every folder and wherever the program is installed.
std::span<const EmbeddedFile> embedded_profiles();

}  // namespace lazyllm::engine
