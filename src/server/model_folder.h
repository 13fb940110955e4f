// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace lazyllm::server {

struct ModelFile {
  std::filesystem::path path;
  uint64_t bytes = 0;  ///< of its files
};

/// The models of a folder by name: each .gguf file (of a model in parts, the first one; not the
/// projectors of pictures, mmproj*), each folder with a config.json, and each folder with .gguf
/// files, for its first one. Names are those of the files without .gguf, or of the folders. What
/// cannot be read is left out.
std::map<std::string, ModelFile> models_in(const std::filesystem::path& folder);

}  // namespace lazyllm::server
