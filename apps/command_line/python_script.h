// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lazyllm::cli {

/// The path of a script of apps/report: beside the installed program, otherwise in the source tree.
/// Errors: Error(io).
std::string find_script(const std::string& name);

/// A Python 3 with NumPy and, with plots, matplotlib: LAZYLLM_PYTHON, or the first that has them.
/// Errors: Error(unsupported) that says what to install.
std::string find_python(bool plots);

/// Becomes this program. Errors: Error(io) if it cannot be started.
[[noreturn]] void become(std::vector<std::string> arguments);

}  // namespace lazyllm::cli
