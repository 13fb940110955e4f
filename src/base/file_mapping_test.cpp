// SPDX-License-Identifier: Apache-2.0
#include "base/file_mapping.h"

#include <gtest/gtest.h>

#include <fstream>

#include "lazyllm/error.h"

namespace lazyllm {
namespace {

TEST(FileMapping, MapsContentAndSurvivesDroppedPages) {
  const auto path = std::filesystem::path(testing::TempDir()) / "file_mapping_test.bin";
  std::ofstream(path, std::ios::binary) << std::string(20000, 'x') << "end";
  const FileMapping mapping(path);
  ASSERT_EQ(mapping.bytes().size(), 20003u);
  drop_pages(mapping.bytes());
  EXPECT_EQ(static_cast<char>(mapping.bytes()[19999]), 'x');
  EXPECT_EQ(static_cast<char>(mapping.bytes()[20002]), 'd');
}

TEST(FileMapping, RefusesWhatIsNoFile) {
  EXPECT_THROW(FileMapping("/nonexistent/model.gguf"), Error);
  EXPECT_THROW(FileMapping("/tmp"), Error);
  EXPECT_THROW(read_text_file("/nonexistent/prompt.txt"), Error);
  EXPECT_THROW(read_text_file("/tmp"), Error);
}

TEST(FileMapping, AnEmptyFileIsEmpty) {
  const auto path = std::filesystem::path(testing::TempDir()) / "file_mapping_empty";
  std::ofstream(path).close();
  EXPECT_TRUE(FileMapping(path).bytes().empty());
  EXPECT_EQ(read_text_file(path), "");
}

}  // namespace
}  // namespace lazyllm
