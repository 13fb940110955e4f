// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/storage_type.h"

namespace lazyllm::formats {

/// One tensor as a safetensors file has it: names and types untranslated.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;           ///< "BF16", "I64", ...: any; see safetensors_storage_type
  std::vector<int64_t> shape;  ///< may be empty (a scalar) or hold zeros
  std::span<const std::byte> data;
};

/// Parses a safetensors file that lies in memory; nothing in `bytes` is trusted.
/// The entries come in the order of their data. Gaps between them are accepted.
/// Errors: Error(invalid_file), starting with `where` (a path).
std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes,
                                                const std::string& where);

/// Errors: Error(unsupported) that names file, tensor and what can be read.
StorageType safetensors_storage_type(const SafetensorsEntry& entry, const std::string& where);

}  // namespace lazyllm::formats
