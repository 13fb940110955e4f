// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lazyllm {

/// How the values of a tensor are stored. Block layouts: GGUF's (see docs/formats.md).
enum class StorageType : uint8_t {
  f32,
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
};
inline constexpr int kStorageTypeCount = 16;

struct StorageTypeTraits {
  std::string_view name;  ///< "Q4_K": GGUF's spelling
  uint32_t gguf_id;
  int64_t block_values;  ///< values in a block
  int64_t block_bytes;   ///< bytes of a block
};

const StorageTypeTraits& traits(StorageType type);

/// The type with this GGUF type id, or nothing if lazyllm cannot read it.
std::optional<StorageType> storage_type_of_gguf_id(uint32_t id);

/// Name of any GGUF type id, readable or not ("IQ2_XXS", "type 99").
std::string gguf_type_name(uint32_t id);

/// "F32, F16, BF16, Q4_0, ...": for error messages.
std::string supported_storage_types();

/// Bytes of one row of `columns` values. `columns` must be a multiple of the block.
inline int64_t row_bytes(StorageType type, int64_t columns) {
  const StorageTypeTraits& t = traits(type);
  return columns / t.block_values * t.block_bytes;
}

}  // namespace lazyllm
