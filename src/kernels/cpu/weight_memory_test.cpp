// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/weight_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace lazyllm::kernels::cpu {
namespace {

TEST(WeightMemory, PiecesAreZeroAlignedAndApart) {
  // Small ones that share a chunk, one that wants its own, and more than one chunk's worth.
  std::vector<size_t> sizes = {1, 63, 64, 1000, size_t{40} << 20, 4097};
  for (int i = 0; i < 12; ++i) sizes.push_back(size_t{9} << 20);
  std::vector<std::shared_ptr<std::byte>> pieces;
  for (const size_t size : sizes) pieces.push_back(allocate_weight_memory(size));
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::byte* const data = pieces[i].get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
    EXPECT_EQ(std::count(data, data + sizes[i], std::byte{0}),
              static_cast<std::ptrdiff_t>(sizes[i]));
    std::memset(data, static_cast<int>(i + 1), sizes[i]);
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto own = static_cast<std::byte>(i + 1);
    EXPECT_EQ(std::count(pieces[i].get(), pieces[i].get() + sizes[i], own),
              static_cast<std::ptrdiff_t>(sizes[i]));
  }
}

TEST(WeightMemory, APieceOutlivesTheOthersOfItsChunk) {
  auto kept = allocate_weight_memory(4096);
  std::memset(kept.get(), 7, 4096);
  for (int i = 0; i < 100; ++i) std::memset(allocate_weight_memory(1 << 20).get(), 1, 1 << 20);
  EXPECT_EQ(std::count(kept.get(), kept.get() + 4096, std::byte{7}), 4096);
}

}  // namespace
}  // namespace lazyllm::kernels::cpu
