// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_reader.h"

#include <array>

#include "base/error.h"
#include "formats/gguf_writer.h"
#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

constexpr std::array<float, 4> kValues = {1, 2, 3, 4};

/// Part `part` (1-based) of a set, with one tensor named after it.
void write_part(const std::filesystem::path& path, int64_t part, int64_t count,
                int64_t total_tensors = 0) {
  GgufWriter writer;
  if (part == 1) writer.set("general.architecture", std::string("llama"));
  writer.set("split.no", part - 1);
  writer.set("split.count", count);
  if (total_tensors > 0) writer.set("split.tensors.count", total_tensors);
  writer.add_tensor(fmt::format("t{}", part), {2, 2}, kValues);
  writer.write(path);
}

TEST(GgufReader, SplitNames) {
  const auto name = parse_split_name("my-model-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->prefix, "my-model");
  EXPECT_EQ(name->part, 2);
  EXPECT_EQ(name->count, 13);
  EXPECT_EQ(name->file_name(7), "my-model-00007-of-00013.gguf");
  for (const char* bad : {"", "m.gguf", "-00001-of-00002.gguf", "m-00003-of-00002.gguf",
                          "m-00000-of-00002.gguf", "m-+0001-of-00002.gguf", "m--0001-of-00002.gguf",
                          "m-00001-of-00002.bin", "m-0001-of-0002.gguf"}) {
    EXPECT_FALSE(parse_split_name(bad)) << bad;
  }
}

TEST(GgufReader, AnyPartOpensTheWholeSet) {
  const TemporaryFolder folder;
  const auto part_path = [&](int64_t part) {
    return folder.path() / SplitName{"m", 1, 3}.file_name(part);
  };
  for (int64_t part = 1; part <= 3; ++part) write_part(part_path(part), part, 3, 3);
  for (int64_t part = 1; part <= 3; ++part) {
    const auto file = open_model_file(part_path(part));
    EXPECT_EQ(file->tensors().size(), 3u);
    EXPECT_EQ(file->text("general.architecture"), "llama");
    EXPECT_EQ(file->tensor("t3").shape, (std::vector<int64_t>{2, 2}));
    EXPECT_EQ(file->file_bytes(), std::filesystem::file_size(part_path(1)) +
                                      std::filesystem::file_size(part_path(2)) +
                                      std::filesystem::file_size(part_path(3)));
  }

  write_part(part_path(2), 3, 3);
  expect_error(ErrorCode::invalid_file, {"part 2 of 3", "metadata say part 3 of 3"},
               [&] { open_model_file(part_path(1)); });
  std::filesystem::remove(part_path(2));
  expect_error(ErrorCode::io, {"m-00002-of-00003.gguf is missing", "part 2 of the 3"},
               [&] { open_model_file(part_path(3)); });
  std::filesystem::rename(part_path(1), folder.path() / "renamed.gguf");
  expect_error(ErrorCode::invalid_file, {"one of 3 parts", "original names"},
               [&] { open_model_file(folder.path() / "renamed.gguf"); });
}

TEST(GgufReader, PartsOfDifferentModelsAreRefused) {
  const TemporaryFolder folder;
  const SplitName name{"m", 1, 2};
  write_part(folder.path() / name.file_name(1), 1, 2, 5);
  write_part(folder.path() / name.file_name(2), 2, 2);
  expect_error(ErrorCode::invalid_file, {"hold 2 tensors", "says 5"},
               [&] { open_model_file(folder.path() / name.file_name(1)); });
}

TEST(GgufReader, AMergedSetIsAPlainFile) {
  const TemporaryFolder folder;
  GgufWriter writer;
  writer.set("split.count", int64_t{0});
  writer.write(folder.path() / "m.gguf");
  EXPECT_TRUE(open_model_file(folder.path() / "m.gguf")->tensors().empty());
}

TEST(GgufReader, OpensARealFile) {
  const std::filesystem::path path = LAZYLLM_SOURCE_DIR "/../shared/data/models/stories260K.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = open_model_file(path);
  EXPECT_EQ(file->container(), Container::gguf);
  EXPECT_EQ(file->tensors().size(), 48u);
  EXPECT_EQ(file->metadata().size(), 19u);
  EXPECT_EQ(file->integer("llama.block_count", 1, 1000), 5);
  EXPECT_EQ(file->text("general.architecture"), "llama");
  EXPECT_EQ(file->texts("tokenizer.ggml.tokens").size(), 512u);
  EXPECT_EQ(file->tensor("token_embd.weight").shape, (std::vector<int64_t>{512, 64}));
}

TEST(GgufReader, OpensAFileThatHasOnlyAVocabulary) {
  const std::filesystem::path path =
      LAZYLLM_SOURCE_DIR "/../shared/data/tokenizers/ggml-vocab-llama-spm.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = open_model_file(path);
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_EQ(file->texts("tokenizer.ggml.tokens").size(), 32000u);
}

}  // namespace
}  // namespace lazyllm::formats
