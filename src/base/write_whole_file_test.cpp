// SPDX-License-Identifier: Apache-2.0
#include "base/write_whole_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "lazyllm/error.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(WriteWholeFile, TakesTheOldOnesPlace) {
  const fs::path path = fs::path(testing::TempDir()) / "whole.txt";
  write_whole_file(path, "a longer text than the next one\n");
  write_whole_file(path, std::string_view("b\0c", 3));
  EXPECT_EQ(content_of(path), std::string("b\0c", 3));
  EXPECT_FALSE(fs::exists(path.string() + ".part"));
}

TEST(WriteWholeFile, LeavesNothingBehindWhereItCannotWrite) {
  const fs::path folder = fs::path(testing::TempDir()) / "whole_folder";
  fs::create_directories(folder);
  EXPECT_THROW(write_whole_file(folder, "x"), Error);
  EXPECT_THROW(write_whole_file(folder / "absent" / "file", "x"), Error);
  EXPECT_FALSE(fs::exists(folder.string() + ".part"));
  EXPECT_THROW(write_whole_file("/dev/full", "x"), Error);
}

}  // namespace
}  // namespace lazyllm
