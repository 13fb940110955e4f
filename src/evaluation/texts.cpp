// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "lazyllm/document.h"
#include "lazyllm/error.h"

namespace lazyllm::evaluation {

std::vector<NamedText> read_texts(const std::string& flag, const std::filesystem::path& path) {
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
  std::vector<NamedText> texts;
  for (const auto& file : files) {
    texts.push_back({file.stem().string(), file, read_document(file)});
  }
  return texts;
}

std::string joined(const std::vector<NamedText>& texts) {
  std::string all;
  for (const NamedText& text : texts) all += (all.empty() ? "" : "\n\n") + text.text;
  return all;
}

}  // namespace lazyllm::evaluation
