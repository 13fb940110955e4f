// SPDX-License-Identifier: Apache-2.0
// Compares with llama.cpp's published pairs: ggml-vocab-NAME.gguf with .inp and .out.
// LAZYLLM_TOKENIZER_PAIRS names a further folder of such pairs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "text/gguf_vocabulary_for_tests.h"
#include "text/tokenizer.h"

namespace lazyllm::text {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> cases_of(const std::string& input) {
  static const std::string kSeparator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> cases;
  size_t begin = 0;
  while (true) {
    const size_t end = input.find(kSeparator, begin);
    if (end == std::string::npos) break;
    cases.push_back(input.substr(begin, end - begin));
    begin = end + kSeparator.size();
  }
  if (begin < input.size()) cases.push_back(input.substr(begin));
  return cases;
}

/// The folders with pairs: beside the checkout or above it, and the one of the environment.
std::vector<fs::path> pairs() {
  std::vector<fs::path> folders;
  if (const char* extra = std::getenv("LAZYLLM_TOKENIZER_PAIRS")) folders.emplace_back(extra);
  folders.emplace_back(fs::path(LAZYLLM_SOURCE_DIR) / ".." / "shared" / "data" / "tokenizers");
  std::vector<fs::path> result;
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      const fs::path& path = entry.path();
      const bool is_pair = path.extension() == ".gguf" && fs::exists(path.string() + ".inp") &&
                           fs::exists(path.string() + ".out");
      // WordPiece and Unigram models are none of ours.
      const bool is_bert = path.filename().string().find("bert") != std::string::npos;
      if (is_pair && !is_bert) result.push_back(path);
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

TEST(TokenizerConformance, PublishedPairs) {
  const std::vector<fs::path> paths = pairs();
  if (paths.empty()) {
    GTEST_SKIP() << "no pairs; name a folder of ggml-vocab-*.gguf in LAZYLLM_TOKENIZER_PAIRS";
  }
  for (const fs::path& path : paths) {
    SCOPED_TRACE(path.filename());
    const auto tokenizer = Tokenizer::create(GgufVocabularyForTests::read(path.string()));
    const std::vector<std::string> cases = cases_of(read_file(path.string() + ".inp"));
    std::istringstream expected_lines(read_file(path.string() + ".out"));
    size_t passed = 0;
    for (const std::string& text : cases) {
      std::string line;
      ASSERT_TRUE(std::getline(expected_lines, line));
      std::vector<TokenId> expected;
      std::istringstream ids(line);
      for (TokenId id = 0; ids >> id;) expected.push_back(id);
      const std::vector<TokenId> tokens = tokenizer->encode(text, false, false);
      EXPECT_EQ(tokens, expected) << '"' << text << '"';
      EXPECT_EQ(tokenizer->decode(tokens), text);
      passed += tokens == expected ? 1 : 0;
    }
    std::cout << path.filename().string() << ": " << passed << "/" << cases.size() << '\n';
  }
}

}  // namespace
}  // namespace lazyllm::text
