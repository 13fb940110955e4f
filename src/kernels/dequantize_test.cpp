// SPDX-License-Identifier: Apache-2.0
#include "kernels/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "base/file_mapping.h"

namespace lazyllm::kernels {
namespace {

// tools/make_dequantize_golden.py describes the file.
TEST(Dequantize, EqualsTheReferenceReaderInEveryBit) {
  const FileMapping file(LAZYLLM_SOURCE_DIR "/tests/golden/dequantize.bin");
  const std::span<const std::byte> bytes = file.bytes();
  size_t at = 0;
  int types = 0;
  while (at < bytes.size()) {
    uint32_t head[4];  // type, blocks, bytes of a block, values of a block
    ASSERT_LE(at + sizeof(head), bytes.size());
    std::memcpy(head, bytes.data() + at, sizeof(head));
    at += sizeof(head);
    const auto type = storage_type_of_gguf_id(head[0]);
    ASSERT_TRUE(type.has_value()) << head[0];
    EXPECT_EQ(traits(*type).block_bytes, head[2]);
    EXPECT_EQ(traits(*type).block_values, head[3]);
    const size_t raw = size_t{head[1]} * head[2];
    const size_t values = size_t{head[1]} * head[3];
    ASSERT_LE(at + raw + 4 * values, bytes.size());
    std::vector<float> got(values);
    std::vector<float> expected(values);
    dequantize_row(*type, bytes.data() + at, static_cast<int64_t>(values), got.data());
    std::memcpy(expected.data(), bytes.data() + at + raw, 4 * values);
    for (size_t i = 0; i < values; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(expected[i]))
          << traits(*type).name << " value " << i << ": " << got[i] << " " << expected[i];
    }
    at += raw + 4 * values;
    ++types;
  }
  EXPECT_EQ(types, kStorageTypeCount);
}

}  // namespace
}  // namespace lazyllm::kernels
