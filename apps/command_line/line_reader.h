// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lazyllm::cli {

/// Lines from the standard input. At a terminal they can be edited, and the up key brings earlier
/// ones back, also those of other days: they are kept in ~/.local/state/lazyllm/history, or in the
/// file that LAZYLLM_HISTORY names (none if it is empty). A line that ends in a backslash goes on
/// in the next one.
class LineReader {
 public:
  LineReader();
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool interactive() const { return interactive_; }
  /// False at the end of the input. `bold`: the prompt is.
  bool read(std::string& line, bool bold);

 private:
  bool read_one(std::string& line, const char* prompt);
  bool edit(std::string& line, const char* prompt);
  void keep();

  bool interactive_;
  bool first_ = true;
  std::string history_file_;
};

}  // namespace lazyllm::cli
