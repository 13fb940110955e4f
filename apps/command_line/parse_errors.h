// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace lazyllm::cli {

/// What is wrong with a command line, in a sentence, with the nearest flag and where to read on.
/// For CLI::App::failure_message of the whole program.
std::string plain_failure(const CLI::App* program, const CLI::Error& error);

}  // namespace lazyllm::cli
