// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "formats/byte_cursor.h"
#include "formats/model_file.h"

namespace lazyllm::formats {

/// Reads one metadata value (u32 type, then the value) at the cursor. Memory
/// taken is bounded by a small multiple of the bytes left in the file: counts are
/// checked against them first. Errors: Error(invalid_file), naming the cursor's subject.
MetadataValue read_gguf_value(ByteCursor& cursor);

}  // namespace lazyllm::formats
