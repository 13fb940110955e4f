// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

namespace lazyllm::cli {

/// One line on stderr that is written over again. Where stderr is no terminal it is silent, or,
/// with kEachMinute, writes a line a minute (LAZYLLM_PROGRESS_SECONDS says another time).
class ProgressLine {
 public:
  enum class Elsewhere { kSilent, kEachMinute };
  explicit ProgressLine(Elsewhere elsewhere = Elsewhere::kSilent);
  ~ProgressLine();
  /// At most some ten times a second.
  void show(std::string_view what, double share, std::string_view detail);
  void clear();

 private:
  void show_line(std::string_view what, double share, std::string_view detail);

  bool terminal_;
  std::chrono::duration<double> pause_{};  // between lines; 0: no lines
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
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
