// SPDX-License-Identifier: Apache-2.0
#include "server/responses_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/request_refusal_for_tests.h"

namespace lazyllm::server {
namespace {

using testing::StartsWith;

ResponsesStore::Stored stored(const std::string& text) {
  return {{{"text", text}}, Json::array(), Json::array()};
}

TEST(ResponsesStore, KeepsWhatFitsAndForgetsTheOldest) {
  ResponsesStore few(/*most_bytes=*/1 << 20, /*most=*/2);
  for (const char* id : {"a", "b", "c"}) few.put(id, stored(id));
  EXPECT_THAT(refusal_of([&] { few.get("a", "previous_response_id"); }),
              StartsWith("404 previous_response_not_found previous_response_id"));
  EXPECT_EQ(few.get("c", "").response["text"], "c");
  EXPECT_TRUE(few.erase("c"));
  EXPECT_FALSE(few.erase("c"));
  EXPECT_EQ(few.get("b", "").response["text"], "b");

  ResponsesStore small(/*most_bytes=*/100, /*most=*/100);
  small.put("a", stored(std::string(60, 'x')));
  small.put("b", stored(std::string(60, 'x')));
  EXPECT_THAT(refusal_of([&] { small.get("a", "p"); }), StartsWith("404"));
  EXPECT_EQ(small.get("b", "").response["text"], std::string(60, 'x'));
}

}  // namespace
}  // namespace lazyllm::server
