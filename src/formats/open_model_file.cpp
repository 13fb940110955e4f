// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "formats/gguf_reader.h"
#include "formats/model_file.h"

namespace lazyllm::formats {

std::shared_ptr<const ModelFile> open_model_file(const std::filesystem::path& path) {
  return open_gguf(path);
}

}  // namespace lazyllm::formats
