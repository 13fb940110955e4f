// SPDX-License-Identifier: Apache-2.0
#include "server/request_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "lazyllm/error.h"

namespace lazyllm::server {
namespace {

using testing::EndsWith;

LogLine line() {
  LogLine line("info", "request");
  line.add("path", "/a b\n\"\xff").add("status", int64_t{200}).add("ms", 1.5);
  return line.add("ratio", std::numeric_limits<double>::infinity());
}

TEST(LogLine, WritesTextOrJson) {
  EXPECT_THAT(line().text(),
              EndsWith(" level=info event=request path=\"/a b\\x0a\\\"\\xff\" status=200 ms=1.500 "
                       "ratio=inf"));
  const auto json = nlohmann::json::parse(line().text(LogFormat::json));
  EXPECT_EQ(json["level"], "info");
  EXPECT_EQ(json["path"], "/a b\n\"\xEF\xBF\xBD");
  EXPECT_EQ(json["status"], 200);
  EXPECT_EQ(json["ms"], 1.5);
  EXPECT_EQ(json["ratio"], "inf");
  const LogLine long_line = LogLine("info", "x").add("long", std::string(1000, 'y'));
  EXPECT_EQ(nlohmann::json::parse(long_line.text(LogFormat::json))["long"],
            std::string(300, 'y') + "...");
}

TEST(SetLog, OpensTheFileAnew) {
  const std::string path = testing::TempDir() + "lazyllm_request_log_test.log";
  const std::string rotated = path + ".1";
  std::remove(path.c_str());
  const auto lines = [](const std::string& name) {
    std::ifstream file(name);
    return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  };
  set_log(path, LogFormat::json);
  write_log(line());
  std::filesystem::rename(path, rotated);
  write_log(line());
  EXPECT_EQ(lines(rotated), 2);
  set_log(path, LogFormat::json);
  write_log(line());
  EXPECT_EQ(lines(path), 1);
  EXPECT_EQ(lines(rotated), 2);
  EXPECT_THROW(set_log("/nonexistent/x.log", LogFormat::text), Error);
  set_log("", LogFormat::text);
  std::remove(path.c_str());
  std::remove(rotated.c_str());
}

}  // namespace
}  // namespace lazyllm::server
