// SPDX-License-Identifier: Apache-2.0
#include "server/affinity.h"

#include <gtest/gtest.h>

namespace lazyllm::server {
namespace {

std::string of(const char* json) {
  return affinity_of(parse_body(json));
}

TEST(Affinity, StaysFromTurnToTurn) {
  const std::string first = of(R"({"messages": [{"role": "system", "content": "S"},
                                                {"role": "user", "content": "A text. Why?"}]})");
  EXPECT_EQ(first.size(), 16u);
  EXPECT_EQ(first, of(R"({"messages": [{"role": "system", "content": "S"},
                                       {"role": "user", "content": "A text. Why?"},
                                       {"role": "assistant", "content": "So."},
                                       {"role": "user", "content": "And then?"}]})"));
  EXPECT_NE(first, of(R"({"messages": [{"role": "system", "content": "S"},
                                       {"role": "user", "content": "Another text. Why?"}]})"));
}

TEST(Affinity, DocumentsCountAndNotTheQuestion) {
  const std::string first =
      of(R"({"documents": ["doc-1"], "messages": [{"role": "user", "content": "Why?"}]})");
  EXPECT_EQ(first,
            of(R"({"documents": ["doc-1"], "messages": [{"role": "user", "content": "How?"}]})"));
  EXPECT_NE(first,
            of(R"({"documents": ["doc-2"], "messages": [{"role": "user", "content": "Why?"}]})"));
}

TEST(Affinity, TheBeginningOfALongTextCounts) {
  const std::string text(5000, 'a');
  const auto with = [&](const std::string& end) {
    return affinity_of(Json{{"prompt", text + end}});
  };
  EXPECT_EQ(with("Why?"), with("How?"));
  EXPECT_NE(with("Why?"), affinity_of(Json{{"prompt", "b" + text}}));
}

TEST(Affinity, AnythingHasOne) {
  for (const char* json :
       {"{}", R"({"messages": []})", R"({"messages": 3})", R"({"messages": [1]})",
        R"({"messages": [{}]})", R"({"prompt": [1, 2]})", R"({"documents": []})"}) {
    EXPECT_EQ(of(json).size(), 16u) << json;
  }
}

}  // namespace
}  // namespace lazyllm::server
