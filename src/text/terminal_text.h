// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lazyllm::text {

/// One character as it may be printed.
struct TerminalCharacter {
  std::string text;         ///< "\n", printable UTF-8, or empty for what is not shown
  size_t source_bytes = 1;  ///< of the text it stands for
  int columns = 1;          ///< width on a terminal
};

/// The character of `text` that begins at byte `begin`. What could steer a terminal or turn the
/// direction of text is replaced by a visible sign, an invalid byte by U+FFFD, a tab by spaces.
TerminalCharacter next_terminal_character(std::string_view text, size_t begin);

}  // namespace lazyllm::text
