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

void unchecked(const JsonObject&) {}

TEST(Samples, AreFoundAgainByALaterRun) {
  const fs::path folder = empty_folder("samples_kept");
  {
    Samples samples(folder);
    EXPECT_EQ(samples.find("a", unchecked), nullptr);
    samples.add({{"key", "a"}, {"score", 0.5}});
    ASSERT_NE(samples.find("a", unchecked), nullptr);
  }
  const Samples again(folder);
  ASSERT_NE(again.find("a", unchecked), nullptr);
  EXPECT_EQ(again.find("a", unchecked)->at("score"), 0.5);
}

TEST(Samples, ALastLineCutShortIsDropped) {
  const fs::path folder = empty_folder("samples_cut");
  const std::string whole = R"({"key":"a","score":1})"
                            "\n";
  write(folder, whole + R"({"key":"b","sco)");
  const Samples samples(folder);
  EXPECT_NE(samples.find("a", unchecked), nullptr);
  EXPECT_EQ(samples.find("b", unchecked), nullptr);
  EXPECT_EQ(fs::file_size(folder / "samples.jsonl"), whole.size());
}

TEST(Samples, AnEditedLineIsNamedWithItsField) {
  const fs::path folder = empty_folder("samples_edited");
  write(folder,
        "{\"key\":\"a\"}\n"
        "{\"key\":\"b\",\"score\":\"good\"}\n");
  const Samples samples(folder);
  const auto refusal = [&](const char* key) -> std::string {
    try {
      samples.find(key, check_sample);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const std::string file = (folder / "samples.jsonl").string();
  EXPECT_EQ(refusal("a"),
            file + ":1: \"score\" is missing; delete the line, and it is computed anew");
  EXPECT_EQ(refusal("b"),
            file + ":2: \"score\" is not a number; delete the line, and it is computed anew");
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
