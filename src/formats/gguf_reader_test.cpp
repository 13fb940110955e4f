// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_reader.h"

#include <gtest/gtest.h>

namespace lazyllm::formats {
namespace {

TEST(GgufReader, OpensARealFile) {
  const std::filesystem::path path = LAZYLLM_SOURCE_DIR "/../shared/data/models/stories260K.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = open_model_file(path);
  EXPECT_EQ(file->tensors().size(), 48u);
  EXPECT_EQ(file->metadata().size(), 19u);
  EXPECT_EQ(file->integer("llama.block_count", 1, 1000), 5);
  EXPECT_EQ(file->text("general.architecture"), "llama");
  EXPECT_EQ(file->texts("tokenizer.ggml.tokens").size(), 512u);
  EXPECT_EQ(file->tensor("token_embd.weight").shape, (std::vector<int64_t>{512, 64}));
}

}  // namespace
}  // namespace lazyllm::formats
