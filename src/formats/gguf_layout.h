// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace lazyllm::formats {

// Constants of the GGUF file format, shared by its reader and writer.

inline constexpr uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr uint32_t kGgufVersion = 3;
inline constexpr uint32_t kGgufOldestVersion = 2;
inline constexpr uint32_t kGgufDefaultAlignment = 32;
inline constexpr size_t kGgufLongestKey = 65535;
inline constexpr size_t kGgufLongestTensorName = 64;
inline constexpr uint32_t kGgufMostDimensions = 4;

enum class GgufValueType : uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

}  // namespace lazyllm::formats
