// SPDX-License-Identifier: Apache-2.0
#include "server/http_head_check.h"

#include <gtest/gtest.h>

#include <string>

namespace lazyllm::server {
namespace {

int check(const std::string& fields, const std::string& line = "POST /x HTTP/1.1") {
  return check_http_head(line + "\r\n" + fields + "\r\n");
}

TEST(HttpHeadCheck, TakesWhatClientsSend) {
  EXPECT_EQ(check("Host: a\r\n"), 0);
  EXPECT_EQ(check("host: [::1]:80\r\nContent-Length: 12\r\nX:\r\nY: \xc3\xa9\tz\r\n"), 0);
  EXPECT_EQ(check("HOST:a-b.c_d:65535\r\nTransfer-Encoding: CHUNKED\r\n"), 0);
  EXPECT_EQ(check("", "GET /a?b=c%20d HTTP/1.0"), 0);
  EXPECT_EQ(check("Host: a\r\n", "OPTIONS * HTTP/1.1"), 0);
}

TEST(HttpHeadCheck, RefusesWhatIsReadInTwoWays) {
  for (const char* fields : {"",
                             "Host: a\r\nHost: a\r\n",
                             "Host:\r\n",
                             "Host: a b\r\n",
                             "Host: a@b\r\n",
                             "Host: a/b\r\n",
                             "Host: a:\r\n b\r\n",
                             "Host: a:80x\r\n",
                             "Host: [::1\r\n",
                             "Host : a\r\n",
                             " Host: a\r\n",
                             "Host: a\r\nno colon\r\n",
                             "Host: a\r\nContent-Length: 1\r\ncontent-length: 1\r\n",
                             "Host: a\r\nContent-Length: 1, 1\r\n",
                             "Host: a\r\nContent-Length:\r\n",
                             "Host: a\r\nContent-Length: -1\r\n",
                             "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
                             "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                             "Host: a\r\nX: a\nY: b\r\n",
                             "Host: a\r\nX: a\rY: b\r\n",
                             "Host: a\r\nX: \x7f\r\n"}) {
    EXPECT_EQ(check(fields), 400) << fields;
  }
  EXPECT_EQ(check(std::string("Host: a\r\nX: \0\r\n", 15)), 400);
  EXPECT_EQ(check("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"), 400);
}

TEST(HttpHeadCheck, RefusesOddFirstLinesAndTooMuch) {
  for (const char* line :
       {"", "GET", "GET /", "GET / HTTP", "GET /  HTTP/1.1", "GET / HTTP/1.1 ", "GET a HTTP/1.1",
        "GET * HTTP/1.1", "GET http://a/ HTTP/1.1", "\r\nGET / HTTP/1.1", "GET /\x80 HTTP/1.1"}) {
    EXPECT_EQ(check("Host: a\r\n", line), 400) << line;
  }
  EXPECT_EQ(check("Host: a\r\n", "GET / HTTP/2.0"), 505);
  EXPECT_EQ(check("Host: a\r\n", "GET /" + std::string(9000, 'a') + " HTTP/1.1"), 414);
  std::string many = "Host: a\r\n";
  for (int i = 0; i < 100; ++i) many += "X: y\r\n";
  EXPECT_EQ(check(many), 431);
  EXPECT_EQ(check_http_head(""), 400);
  EXPECT_EQ(check_http_head("GET / HTTP/1.1\r\nHost: a\r\n"), 400);
}

}  // namespace
}  // namespace lazyllm::server
