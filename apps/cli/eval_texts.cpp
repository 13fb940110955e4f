// SPDX-License-Identifier: Apache-2.0
#include "eval_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "lazyllm/error.h"
#include "terminal.h"

namespace lazyllm::cli {

std::vector<EvalText> read_texts(const std::string& flag, const std::filesystem::path& path) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      if (entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) {
      throw Error(ErrorCode::io, fmt::format("{} {}: the folder holds no .txt file; name a text "
                                             "file or a folder with some",
                                             flag, path.string()));
    }
  } else {
    files.push_back(path);
  }
  std::vector<EvalText> texts;
  for (const auto& file : files) {
    EvalText text{file.stem().string(), file, read_file(file.string())};
    if (const size_t bad = find_invalid_utf8(text.text); bad != std::string::npos) {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("{} is not valid UTF-8 at byte {}; convert the text to UTF-8",
                              file.string(), bad));
    }
    if (text.text.find_first_not_of(" \t\r\n") == std::string::npos) {
      throw Error(ErrorCode::invalid_input, fmt::format("{}: the text is empty", file.string()));
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

std::string joined(const std::vector<EvalText>& texts) {
  std::string all;
  for (const EvalText& text : texts) all += (all.empty() ? "" : "\n\n") + text.text;
  return all;
}

}  // namespace lazyllm::cli
