// SPDX-License-Identifier: Apache-2.0
#include "server/api_keys.h"

#include <gtest/gtest.h>

#include "lazyllm/error.h"

namespace lazyllm::server {
namespace {

TEST(ApiKeys, NoneMeansOpen) {
  EXPECT_TRUE(ApiKeys({}).admits("", ""));
  EXPECT_FALSE(ApiKeys({}).required());
}

TEST(ApiKeys, EveryKeyOpensInEitherHeader) {
  const ApiKeys keys({"first", "second"});
  EXPECT_TRUE(keys.admits("Bearer first", ""));
  EXPECT_TRUE(keys.admits("bearer  second", ""));
  EXPECT_TRUE(keys.admits("", "second"));
  EXPECT_TRUE(keys.admits("Bearer wrong", "first"));
}

TEST(ApiKeys, NothingElseOpens) {
  const ApiKeys keys({"first", std::string(ApiKeys::kMostBytes, 'x')});
  for (const char* header : {"", "Bearer", "Bearer ", "first", "Basic first", "Bearer First",
                             "Bearer firs", "Bearer first1"}) {
    EXPECT_FALSE(keys.admits(header, "")) << header;
  }
  EXPECT_FALSE(keys.admits(std::string("Bearer first\0", 13), "")) << "zeros are not padding";
  EXPECT_TRUE(keys.admits("", std::string(ApiKeys::kMostBytes, 'x')));
  EXPECT_FALSE(keys.admits("", std::string(ApiKeys::kMostBytes + 1, 'x')));
}

TEST(ApiKeys, RefusesKeysThatCannotWork) {
  EXPECT_THROW(ApiKeys({""}), Error);
  EXPECT_THROW(ApiKeys({std::string(ApiKeys::kMostBytes + 1, 'x')}), Error);
}

}  // namespace
}  // namespace lazyllm::server
