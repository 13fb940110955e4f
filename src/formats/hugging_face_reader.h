// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// Opens a folder with config.json and *.safetensors, translated to GGUF's names and
/// keys. Values stay as they are in the files: no rearranged rows, no changed norms.
/// Errors: Error(io), Error(invalid_file), Error(unsupported).
std::shared_ptr<const ModelFile> open_hugging_face(const std::filesystem::path& folder);

}  // namespace lazyllm::formats
