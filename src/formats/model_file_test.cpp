// SPDX-License-Identifier: Apache-2.0
#include "formats/model_file.h"

#include <array>
#include <limits>

#include "formats/model_file_builder.h"
#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

std::shared_ptr<const ModelFile> sample() {
  ModelFileBuilder builder(Container::gguf, "m.gguf");
  builder.metadata() = {{"whole", int64_t{7}},
                        {"large", std::numeric_limits<uint64_t>::max()},
                        {"real", 0.5},
                        {"infinite", std::numeric_limits<double>::infinity()},
                        {"text", std::string("word")},
                        {"truth", true},
                        {"integers", std::vector<int64_t>{1, 2}},
                        {"reals", std::vector<double>{0.5}},
                        {"flags", std::vector<bool>{true, false}},
                        {"texts", std::vector<std::string>{"a"}}};
  return builder.finish();
}

TEST(ModelFile, TypedReads) {
  const auto file = sample();
  EXPECT_EQ(file->integer("whole", 0, 7), 7);
  EXPECT_EQ(file->integer("absent", 0, 7, 3), 3);
  EXPECT_EQ(file->real("whole"), 7.0);
  EXPECT_EQ(file->real("real"), 0.5);
  EXPECT_EQ(file->real("absent", 2.5), 2.5);
  EXPECT_EQ(file->text("text"), "word");
  EXPECT_EQ(file->text("absent", "other"), "other");
  EXPECT_TRUE(file->boolean("truth", false));
  EXPECT_TRUE(file->boolean("absent", true));
  EXPECT_EQ(file->integers("integers"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(file->integers("flags"), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(file->integers("whole"), (std::vector<int64_t>{7}));
  EXPECT_EQ(file->reals("integers"), (std::vector<double>{1, 2}));
  EXPECT_TRUE(file->integers("absent").empty());
  EXPECT_TRUE(file->texts("absent").empty());
  EXPECT_EQ(file->texts("texts").size(), 1u);
}

TEST(ModelFile, ReadsOfTheWrongKindNameFileAndKey) {
  const auto file = sample();
  const auto refuse = [](const std::vector<std::string>& words, auto action) {
    expect_error(ErrorCode::invalid_file, words, action);
  };
  refuse({"m.gguf", "\"absent\" is missing"}, [&] { file->integer("absent", 0, 1); });
  refuse({"\"absent\""}, [&] { file->text("absent"); });
  refuse({"\"absent\""}, [&] { file->real("absent"); });
  refuse({"\"whole\" is 7", "0 to 6"}, [&] { file->integer("whole", 0, 6, 1); });
  refuse({"\"large\" is an integer above 2^63"}, [&] { file->integer("large", 0, 6); });
  refuse({"\"real\" is a real number, expected an integer"}, [&] { file->integer("real", 0, 1); });
  refuse({"\"infinite\""}, [&] { file->real("infinite"); });
  refuse({"\"whole\" is an integer, expected a text"}, [&] { file->text("whole", "x"); });
  refuse({"\"whole\"", "a boolean"}, [&] { file->boolean("whole", true); });
  refuse({"\"texts\"", "a list of integers"}, [&] { file->integers("texts"); });
  refuse({"\"text\"", "a list of real numbers"}, [&] { file->reals("text"); });
  refuse({"\"text\"", "a list of texts"}, [&] { file->texts("text"); });
  refuse({"m.gguf", "tensor \"t\" is missing"}, [&] { file->tensor("t"); });
}

TEST(ModelFileBuilder, CopiesWhatIsNotAligned) {
  alignas(8) std::array<std::byte, 9> bytes{};
  bytes[1] = std::byte{42};
  ModelFileBuilder builder(Container::hugging_face, "m");
  const std::span<const std::byte> all = bytes;
  builder.add_tensor({"odd", StorageType::f32, {2}, all.subspan(1, 8)}, "m");
  builder.add_tensor({"even", StorageType::f32, {2}, all.subspan(0, 8)}, "m");
  const auto file = builder.finish();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->tensor("odd").data.data()) % 4, 0u);
  EXPECT_EQ(file->tensor("odd").data[0], std::byte{42});
  EXPECT_EQ(file->tensor("even").data.data(), bytes.data());
}

}  // namespace
}  // namespace lazyllm::formats
