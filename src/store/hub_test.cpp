// SPDX-License-Identifier: Apache-2.0
#include "store/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "lazyllm/error.h"

namespace lazyllm::store {
namespace {

using testing::HasSubstr;

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(HubName, HasAnOwnerARepositoryAndPerhapsAQuantisation) {
  const HubName name = parse_hub_name("Owner/Model-1.5B-GGUF:Q4_K_M");
  EXPECT_EQ(name.owner, "Owner");
  EXPECT_EQ(name.repository, "Model-1.5B-GGUF");
  EXPECT_EQ(name.quantisation, "Q4_K_M");
  EXPECT_EQ(parse_hub_name("o/m").quantisation, "");
  for (const char* bad : {"", "model", "a/b/c", "../b", "a/..", "a/b:", "a/b:../x", "a b/c",
                          "a:b/c", "/b", "a/", ":", "a/b?x"}) {
    EXPECT_THAT(refusal([&] { parse_hub_name(bad); }), HasSubstr("OWNER/REPO")) << bad;
  }
}

TEST(HubFiles, AreReadFromTheHubsList) {
  const auto files = parse_hub_files(
      R"([{"path": "README.md"}, {"path": "m-q8_0.gguf", "lfs": {"oid": "AB"}}, 3,
          {"path": "../../evil.gguf"}, {"path": "sub/m-Q4_K_M.gguf"}, {"path": 7}])",
      "url");
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].sha256, "ab");
  EXPECT_EQ(choose_hub_file({"o", "m", ""}, files).path, "sub/m-Q4_K_M.gguf");
  EXPECT_EQ(choose_hub_file({"o", "m", "Q8_0"}, files).path, "m-q8_0.gguf");
  EXPECT_THAT(refusal([&] {
                choose_hub_file({"o", "m", "Q2_K"}, files);
              }),
              HasSubstr("m-q8_0.gguf, sub/m-Q4_K_M.gguf"));
  EXPECT_THAT(refusal([&] { parse_hub_files("{}", "url"); }), HasSubstr("url: "));
  EXPECT_THAT(refusal([&] { choose_hub_file({"o", "m", ""}, {}); }), HasSubstr("no .gguf"));
  EXPECT_THAT(refusal([&] {
                choose_hub_file({"o", "m", "q8"}, {{"m-q8-00001-of-00002.gguf", ""}});
              }),
              HasSubstr("one part of several"));
}

}  // namespace
}  // namespace lazyllm::store
