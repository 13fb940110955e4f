// SPDX-License-Identifier: Apache-2.0
#include "server/document_upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lazyllm::server {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=\"a b\"";

TEST(ParseForm, GivesPartsByName) {
  const auto parts = parse_form(
      "--a b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".txt\"\r\n"
      "Content-Type: text/plain\r\n\r\none\r\n--a\r\ntwo\r\n--a b\r\n"
      "content-disposition: form-data; NAME=system\r\n\r\n\r\n--a b--\r\n",
      kType);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts.at("file").file_name, "a \"b\".txt");
  EXPECT_EQ(parts.at("file").content, "one\r\n--a\r\ntwo");
  EXPECT_EQ(parts.at("system").content, "");
}

TEST(ParseForm, RefusesWhatIsNone) {
  const std::string head = "--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n";
  for (const std::string& body :
       {std::string(), std::string("--a b"), head, head + "1\r\n--a b", head + "1\r\n--a b\r\n",
        "x" + head + "1\r\n--a b--", head + "1\r\n" + head + "2\r\n--a b--",
        std::string("--a b\r\nno head\r\n--a b--"),
        std::string("--a b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--a b--")}) {
    EXPECT_THROW(parse_form(body, kType), RequestError) << body;
  }
  EXPECT_THROW(parse_form(head + "1\r\n--a b--", "multipart/form-data"), RequestError);
  EXPECT_TRUE(parse_form("--a b--", kType).empty());
}

}  // namespace
}  // namespace lazyllm::server
