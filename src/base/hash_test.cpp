// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lazyllm {
namespace {

TEST(Hash, EqualsThePublishedValues) {
  // XXH3_64bits of nothing and of "abc" with seed 0.
  EXPECT_EQ(Hash().value(), 0x2d06800538d394c2u);
  Hash hash;
  hash.add(std::as_bytes(std::span(std::string_view("abc"))));
  EXPECT_EQ(hash.value(), 0x78af5f94892f3950u);
}

TEST(Hash, PiecesMakeNoDifferenceButTextsKeepTheirBounds) {
  std::vector<std::byte> bytes(5000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31);
  Hash whole, pieces;
  whole.add(bytes);
  for (size_t i = 0; i < bytes.size(); i += 7) {
    pieces.add(std::span(bytes).subspan(i, std::min<size_t>(7, bytes.size() - i)));
  }
  EXPECT_EQ(whole.value(), pieces.value());

  Hash a, b;
  a.add_text("ab");
  a.add_text("c");
  b.add_text("a");
  b.add_text("bc");
  EXPECT_NE(a.value(), b.value());
}

}  // namespace
}  // namespace lazyllm
