// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// A 64-bit hash of all tensors with their names, types, shapes and values: the same for the same
/// weights wherever the file lies. Reads the whole file, about a second per 5 GB.
uint64_t fingerprint(const ModelFile& file);

/// A hash of all names, types and shapes and of the beginning, the middle and the end of each
/// tensor's values: tells models apart, finetuned ones too, without reading the file.
uint64_t fingerprint_sample(const ModelFile& file);

}  // namespace lazyllm::formats
