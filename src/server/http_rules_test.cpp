// SPDX-License-Identifier: Apache-2.0
#include "server/http_rules.h"

#include <gtest/gtest.h>

namespace lazyllm::server {
namespace {

TEST(HttpRules, ALoopbackServerAnswersToThisMachinesNames) {
  const HttpRules rules("127.0.0.1", {}, {});
  for (const char* host : {"localhost", "LOCALHOST:1", "127.0.0.1", "127.1.2.3:9", "[::1]:80",
                           "app.localhost:3", "localhost.", ""}) {
    EXPECT_TRUE(rules.host_is_allowed(host)) << host;
  }
  for (const char* host :
       {"evil", "evil:80", "127.0.0.1.evil.com", "localhost.evil", "192.168.0.1", "notlocalhost"}) {
    EXPECT_FALSE(rules.host_is_allowed(host)) << host;
  }
}

TEST(HttpRules, OthersAnswerToAllNamesUnlessToldWhich) {
  EXPECT_TRUE(HttpRules("0.0.0.0", {}, {}).host_is_allowed("anything"));
  const HttpRules told("0.0.0.0", {"Box.lan"}, {});
  EXPECT_TRUE(told.host_is_allowed("box.lan:80"));
  EXPECT_TRUE(told.host_is_allowed("localhost"));
  EXPECT_FALSE(told.host_is_allowed("anything"));
  EXPECT_TRUE(HttpRules("127.0.0.1", {"*"}, {}).host_is_allowed("anything"));
}

TEST(HttpRules, OriginsOfOthersHaveToBeListed) {
  const HttpRules none("127.0.0.1", {}, {});
  EXPECT_TRUE(none.origin_is_allowed("", "localhost:1"));
  EXPECT_TRUE(none.origin_is_allowed("http://localhost:1", "localhost:1"));
  EXPECT_FALSE(none.origin_is_allowed("http://localhost:2", "localhost:1"));
  EXPECT_FALSE(none.origin_is_allowed("null", "localhost:1"));
  EXPECT_EQ(none.allow_origin("http://a"), "");

  const HttpRules some("127.0.0.1", {}, {"http://a", "http://localhost"});
  EXPECT_TRUE(some.origin_is_allowed("http://a", "localhost"));
  EXPECT_FALSE(some.origin_is_allowed("http://a:1", "localhost"));
  EXPECT_TRUE(some.origin_is_allowed("http://localhost:3000", "localhost:1"));
  EXPECT_FALSE(some.origin_is_allowed("http://localhost:3000.evil", "localhost:1"));
  EXPECT_FALSE(some.origin_is_allowed("http://localhost.evil:1", "localhost:1"));
  EXPECT_EQ(some.allow_origin("http://localhost:3000"), "http://localhost:3000");
  const HttpRules local("127.0.0.1", {}, {"localhost"});
  for (const char* origin :
       {"http://localhost", "https://localhost:1", "http://127.0.0.1:3000", "http://[::1]:5"}) {
    EXPECT_TRUE(local.origin_is_allowed(origin, "localhost:8080")) << origin;
    EXPECT_EQ(local.allow_origin(origin), origin);
  }
  for (const char* origin : {"http://localhost.evil", "http://notlocalhost", "null"})
    EXPECT_FALSE(local.origin_is_allowed(origin, "127.0.0.1:8080")) << origin;
  EXPECT_EQ(HttpRules("127.0.0.1", {}, {"*"}).allow_origin("http://b"), "*");
}

}  // namespace
}  // namespace lazyllm::server
