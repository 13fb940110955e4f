// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_writer.h"

#include <array>
#include <cstring>

#include "formats/gguf_parser.h"
#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

constexpr std::array<float, 6> kValues = {1, 2, 3, 4, 5, 6};

TEST(GgufWriter, WhatItWritesIsReadBack) {
  GgufWriter writer;
  const Metadata metadata = {{"a", true},
                             {"b", int64_t{-3}},
                             {"c", int64_t{1} << 40},
                             {"d", int64_t{4000000000}},
                             {"e", ~uint64_t{0}},
                             {"f", 0.25},
                             {"g", std::string("text")},
                             {"h", std::vector<int64_t>{1, -2}},
                             {"i", std::vector<int64_t>{1, int64_t{1} << 40}},
                             {"j", std::vector<double>{0.5, -0.5}},
                             {"k", std::vector<std::string>{"x", ""}},
                             {"l", std::vector<bool>{true, false}},
                             {"m", std::vector<int64_t>{}}};
  for (const auto& [key, value] : metadata) writer.set(key, value);
  writer.add_tensor("floats", {2, 3}, kValues);
  writer.add_tensor("quants", StorageType::q8_0, {1, 32}, std::vector<std::byte>(34));
  writer.add_tensor("last", {6}, kValues);
  const auto bytes = writer.bytes();
  const GgufContents contents = parse_gguf(bytes, "m.gguf");
  EXPECT_EQ(contents.metadata, metadata);
  ASSERT_EQ(contents.tensors.size(), 3u);
  EXPECT_EQ(contents.tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(contents.tensors[1].type, StorageType::q8_0);
  EXPECT_EQ(std::memcmp(contents.tensors[2].data.data(), kValues.data(), sizeof(kValues)), 0);
}

TEST(GgufWriter, MakesRowsWhileItWrites) {
  const TemporaryFolder folder;
  GgufWriter writer;
  std::vector<int64_t> asked;
  RowMaker rows;
  rows.make = [&](int64_t first, int64_t count, std::byte* out) {
    asked.push_back(count);
    for (int64_t r = first; r < first + count; ++r, out += 8) {
      const float values[] = {static_cast<float>(r), -1.0f};
      std::memcpy(out, values, sizeof values);
    }
  };
  writer.add_tensor("made", StorageType::f32, {3, 2}, rows);
  writer.add_tensor("after", {6}, kValues);
  double share = 0.0;
  writer.write(folder.path() / "m.gguf", [&](double done) { share = done; });
  EXPECT_EQ(share, 1.0);
  EXPECT_EQ(asked, std::vector<int64_t>{3});
  const auto file = open_model_file(folder.path() / "m.gguf");
  const float expected[] = {0, -1, 1, -1, 2, -1};
  EXPECT_EQ(std::memcmp(file->tensor("made").data.data(), expected, sizeof expected), 0);
  EXPECT_EQ(std::memcmp(file->tensor("after").data.data(), kValues.data(), sizeof(kValues)), 0);

  RowMaker failing;
  failing.make = [](int64_t, int64_t, std::byte*) { throw Error(ErrorCode::invalid_file, "no"); };
  writer.add_tensor("bad", StorageType::f32, {1, 2}, failing);
  EXPECT_THROW(writer.write(folder.path() / "n.gguf"), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "n.gguf"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "n.gguf.part"));
}

TEST(GgufWriter, KeepsTheAlignment) {
  GgufWriter writer(256);
  writer.add_tensor("a", {6}, kValues);
  writer.add_tensor("b", {6}, kValues);
  const auto bytes = writer.bytes();
  const GgufContents contents = parse_gguf(bytes, "m.gguf");
  EXPECT_EQ((contents.tensors[0].data.data() - bytes.data()) % 256, 0);
  EXPECT_EQ(contents.tensors[1].data.data() - contents.tensors[0].data.data(), 256);
}

TEST(GgufWriter, RefusesWhatNoReaderWouldTake) {
  GgufWriter writer;
  const auto refuse = [](const std::vector<std::string>& words, auto action) {
    expect_error(ErrorCode::invalid_input, words, action);
  };
  refuse({"\"t\"", "20 bytes", "24 were given"}, [&] { writer.add_tensor("t", {5}, kValues); });
  refuse({"dimensions"}, [&] { writer.add_tensor("t", {}, kValues); });
  refuse({"name"}, [&] { writer.add_tensor(std::string(65, 't'), {6}, kValues); });
  refuse({"block"},
         [&] { writer.add_tensor("t", StorageType::q8_0, {33}, std::vector<std::byte>(34)); });
  writer.add_tensor("t", {6}, kValues);
  refuse({"twice"}, [&] { writer.add_tensor("t", {6}, kValues); });
  refuse({"alignment 12"}, [] { GgufWriter other(12); });
  expect_error(ErrorCode::io, {"/nonexistent"}, [&] { writer.write("/nonexistent/m.gguf"); });
}

}  // namespace
}  // namespace lazyllm::formats
