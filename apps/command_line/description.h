// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace lazyllm::cli {

/// All commands with their flags as JSON, with which tools/cli_documents.py makes the man pages,
/// the completions of shells and docs/reference/flags.md. After show_expert_flags() and
/// style_help(), so that nothing is left out.
std::string description_json(const CLI::App& app);

}  // namespace lazyllm::cli
