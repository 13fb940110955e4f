// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lazyllm::cli {

/// The command line as the program knows it: llama.cpp's flags of one dash and several letters
/// become long ones, "help COMMAND" becomes "COMMAND --help".
/// Errors: Error(usage) for flags that name what this program has not, with what to do instead,
/// and for a command that is none, with the nearest one.
std::vector<std::string> normalise_arguments(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& commands);

/// The name with the fewest changes of letters to `word`; empty if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& names);

}  // namespace lazyllm::cli
