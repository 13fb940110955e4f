// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "lazyllm/token_report.h"

namespace lazyllm {

struct KeptViewOptions {
  bool color = true;  ///< false: a line of marks under each line of text
  int width = 80;     ///< columns; without colour, longer lines are broken
};

/// A prompt's text shaded by how deep each token was carried in the prefill, what the answer
/// revived underlined, and a legend with counts.
/// `pieces`: the bytes of each token, as many as report.depths; a character of several tokens takes
/// the deepest one's shade. Control characters of the text never reach the terminal.
std::string kept_view(std::span<const std::string> pieces, const TokenReport& report, int layers,
                      const KeptViewOptions& options);

}  // namespace lazyllm
