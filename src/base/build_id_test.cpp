// SPDX-License-Identifier: Apache-2.0
#include "base/build_id.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

namespace lazyllm {
namespace {

TEST(BuildId, IsTheOneInTheFile) {
  FILE* const pipe =
      popen("readelf -n /proc/self/exe >/dev/null && readelf -n $(readlink /proc/$PPID/exe)", "r");
  ASSERT_NE(pipe, nullptr);
  std::string notes;
  std::array<char, 4096> buffer;
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    notes.append(buffer.data(), count);
  }
  if (pclose(pipe) != 0) GTEST_SKIP() << "readelf is not installed";
  const size_t at = notes.find("Build ID: ");
  if (at == notes.npos) {
    EXPECT_EQ(build_id(), "");
  } else {
    EXPECT_EQ(build_id(), notes.substr(at + 10, notes.find('\n', at) - at - 10));
  }
}

}  // namespace
}  // namespace lazyllm
