// SPDX-License-Identifier: Apache-2.0
#include "evaluation/samples.h"

#include <gtest/gtest.h>

#include "lazyllm/error.h"

namespace lazyllm::evaluation {
namespace {

namespace fs = std::filesystem;

fs::path empty_folder(const char* name) {
  const fs::path folder = fs::path(testing::TempDir()) / name;
  fs::remove_all(folder);
  return folder;
}

void write(const fs::path& folder, const std::string& text) {
  fs::create_directories(folder);
  std::ofstream(folder / "samples.jsonl", std::ios::binary) << text;
}

TEST(Samples, AreFoundAgainByALaterRun) {
  const fs::path folder = empty_folder("samples_kept");
  {
    Samples samples(folder);
    EXPECT_EQ(samples.find("a"), nullptr);
    samples.add({{"key", "a"}, {"score", 0.5}});
    ASSERT_NE(samples.find("a"), nullptr);
  }
  const Samples again(folder);
  ASSERT_NE(again.find("a"), nullptr);
  EXPECT_EQ(again.find("a")->at("score"), 0.5);
}

TEST(Samples, ALastLineCutShortIsDropped) {
  const fs::path folder = empty_folder("samples_cut");
  const std::string whole = R"({"key":"a","score":1})"
                            "\n";
  write(folder, whole + R"({"key":"b","sco)");
  const Samples samples(folder);
  EXPECT_NE(samples.find("a"), nullptr);
  EXPECT_EQ(samples.find("b"), nullptr);
  EXPECT_EQ(fs::file_size(folder / "samples.jsonl"), whole.size());
}

TEST(Samples, AForeignFileIsLeftAsItIs) {
  const fs::path folder = empty_folder("samples_foreign");
  const std::string foreign = "my notes\n";
  write(folder, foreign);
  EXPECT_THROW(Samples{folder}, Error);
  EXPECT_EQ(fs::file_size(folder / "samples.jsonl"), foreign.size());
}

}  // namespace
}  // namespace lazyllm::evaluation
