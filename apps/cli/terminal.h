// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

namespace lazyllm::cli {

/// One line on stderr that is written over again; silent where stderr is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  /// At most some ten times a second.
  void show(std::string_view what, double share, std::string_view detail);
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
};

/// Whether to colour stdout/stderr: "auto" asks the terminal and NO_COLOR.
bool use_color(std::string_view choice, int descriptor);

/// Columns of the terminal behind stdout/stderr; 80 where there is none.
int terminal_width(int descriptor);

/// Writes to stdout at once. Errors: Error(io) when the reader is gone or the disk is full.
void write_out(std::string_view text);

/// Most memory this process has held so far.
uint64_t peak_rss_bytes();

/// While it lives, Ctrl-C calls `handler` (async-signal-safe code only) instead of ending the
/// program.
class InterruptHandler {
 public:
  explicit InterruptHandler(void (*handler)(int));
  ~InterruptHandler();
  InterruptHandler(const InterruptHandler&) = delete;
  InterruptHandler& operator=(const InterruptHandler&) = delete;

 private:
  void (*previous_)(int);
};

}  // namespace lazyllm::cli
