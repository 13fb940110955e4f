// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// "model-00002-of-00003.gguf" taken apart.
struct SplitName {
  std::string prefix;  ///< "model"
  int64_t part = 0;    ///< 1-based: 2
  int64_t count = 0;   ///< 3

  /// The name of another part of the same set.
  std::string file_name(int64_t of_part) const;
};

/// Nothing if the file name is not that of a part.
std::optional<SplitName> parse_split_name(std::string_view file_name);

/// Opens one GGUF file, or the whole set if it is a part of a split model.
/// Errors: Error(io), Error(invalid_file), Error(unsupported).
std::shared_ptr<const ModelFile> open_gguf(const std::filesystem::path& path);

}  // namespace lazyllm::formats
