// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"

#include <gtest/gtest.h>

namespace lazyllm {
namespace {

std::string sha256(const std::string& text, size_t piece) {
  Sha256 hash;
  for (size_t begin = 0; begin < text.size(); begin += piece) {
    hash.add(std::as_bytes(std::span(text).subspan(begin, std::min(piece, text.size() - begin))));
  }
  return hash.finish();
}

// Examples of FIPS 180-4, and what sha256sum prints.
TEST(Sha256, GivesTheStandardsDigests) {
  EXPECT_EQ(sha256("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc", 1), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 64),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1000000, 'a');
  for (const size_t piece : {7, 64, 1000000}) {
    EXPECT_EQ(sha256(million, piece),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

}  // namespace
}  // namespace lazyllm
