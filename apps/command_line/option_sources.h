// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace lazyllm::cli {

/// Flags may also come from the environment (LAZYLLM_CTX_SIZE for --ctx-size) and from a file
/// (--config). What is given on the command line wins. `arguments`: the command line.
void add_variables_and_file(CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace lazyllm::cli
