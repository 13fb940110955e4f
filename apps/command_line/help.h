// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace lazyllm::cli {

/// Whether --help-all was asked for. Said before any command is added.
void show_expert_flags();
/// Group of flags that only --help-all lists.
std::string expert_group();

/// What a flag takes, in plain words, for CLI11's: N for INT.
std::string kind_of_value(const std::string& type);

/// Plain kinds of values, lines of at most 100 columns, and a pointer to --help-all for the program
/// and its commands; after all of them were added.
void style_help(CLI::App& app);

}  // namespace lazyllm::cli
