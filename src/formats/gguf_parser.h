// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// What one GGUF file (or one part of a split model) says.
struct GgufContents {
  Metadata metadata;
  std::vector<TensorView> tensors;  ///< their data point into the parsed bytes
};

/// Parses a GGUF file that lies in memory; nothing in `bytes` is trusted. `where`
/// (a path) starts every message. The bytes must outlive the tensors.
/// Errors: Error(invalid_file), Error(unsupported).
GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& where);

}  // namespace lazyllm::formats
