// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lazyllm::evaluation {

/// A text of the user's.
struct NamedText {
  std::string name;  ///< the file's, without its ending
  std::filesystem::path path;
  std::string text;
};

/// The file, or the *.txt files of the folder by name. `flag` is named in messages.
/// Errors: Error(io) if there are none; Error(invalid_input) for an empty one or one that is not
/// UTF-8.
std::vector<NamedText> read_texts(const std::string& flag, const std::filesystem::path& path);

/// All of them, with blank lines between.
std::string joined(const std::vector<NamedText>& texts);

}  // namespace lazyllm::evaluation
